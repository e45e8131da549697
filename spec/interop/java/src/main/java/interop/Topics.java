package interop;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Topics made, and read from end to end. */
final class Topics {
    private static final int READ_AND_WRITE = 6;

    private Topics() {
    }

    /** Makes the topic on every master of the cluster and waits until the name server tells its route. */
    static void create(String topic, int queues) throws Exception {
        List<String> masters = Groups.masters();
        for (String master : masters) Clients.admin().createAndUpdateTopicConfig(master, new TopicConfig(topic, queues, queues, READ_AND_WRITE));
        Until.holds("the route of " + topic + " is known", () -> {
            try {
                return Clients.admin().examineTopicRouteInfo(topic).getQueueDatas().size() == masters.size();
            } catch (Exception notYet) {
                return false;
            }
        });
    }

    /** Everything stored in the topic, queue by queue, when it is at least so many messages. */
    static List<MessageExt> read(String topic, int atLeast) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer("interop-readers");
        try {
            List<MessageExt> messages = new ArrayList<>();
            Until.holds("topic " + topic + " has " + atLeast + " messages", () -> {
                messages.clear();
                for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) readQueue(consumer, queue, messages);
                return messages.size() >= atLeast;
            });
            return messages;
        } finally {
            consumer.shutdown();
        }
    }

    private static void readQueue(DefaultMQPullConsumer consumer, MessageQueue queue, List<MessageExt> messages) throws Exception {
        long offset = consumer.minOffset(queue);
        while (true) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() == PullStatus.FOUND) messages.addAll(result.getMsgFoundList());
            else if (result.getPullStatus() != PullStatus.NO_MATCHED_MSG) return;
            offset = result.getNextBeginOffset();
        }
    }
}
