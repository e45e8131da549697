package interop;

import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Clients as the snippets want them, all of one name server. */
final class Clients {
    static String namesrv;
    private static final AtomicInteger INSTANCES = new AtomicInteger();
    private static DefaultMQProducer producer;
    private static DefaultMQAdminExt admin;

    private Clients() {
    }

    /** A client with an instance name of its own, so that several members of a group live in one JVM; looks for routes every second. */
    static <Client extends ClientConfig> Client ownInstance(Client client) {
        client.setNamesrvAddr(namesrv);
        client.setInstanceName("interop-" + ProcessHandle.current().pid() + "-" + INSTANCES.incrementAndGet());
        client.setPollNameServerInterval(1000);
        return client;
    }

    /** The producer all snippets share, with every setting written out. */
    static synchronized DefaultMQProducer producer() throws Exception {
        if (producer != null) return producer;
        DefaultMQProducer started = ownInstance(new DefaultMQProducer("interop-producers"));
        started.setSendMsgTimeout(10_000);
        started.setRetryTimesWhenSendFailed(2);
        started.setRetryTimesWhenSendAsyncFailed(2);
        started.setCompressMsgBodyOverHowmuch(4096);
        started.setMaxMessageSize(4 * 1024 * 1024);
        started.start();
        return producer = started;
    }

    static synchronized DefaultMQAdminExt admin() throws Exception {
        if (admin != null) return admin;
        DefaultMQAdminExt started = ownInstance(new DefaultMQAdminExt(15_000));
        started.start();
        return admin = started;
    }

    static DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer = ownInstance(new DefaultMQPushConsumer(group));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(8);
        consumer.setPersistConsumerOffsetInterval(500);
        return consumer;
    }

    static DefaultMQPullConsumer pullConsumer(String group) throws Exception {
        DefaultMQPullConsumer consumer = ownInstance(new DefaultMQPullConsumer(group));
        consumer.start();
        return consumer;
    }
}
