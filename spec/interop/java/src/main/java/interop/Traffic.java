package interop;

import com.alibaba.fastjson.JSONObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Steady traffic that a server's death interrupts: producers that note what was acknowledged, an orderly consumer, locks. */
final class Traffic {
    private static final Map<String, Run> RUNS = new ConcurrentHashMap<>();

    private Traffic() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("traffic.start", Traffic::start);
        snippets.put("traffic.acked", (args) -> RUNS.get(args.getString("topic")).waitForAcks(args.getIntValue("count")));
        snippets.put("traffic.stop", (args) -> RUNS.remove(args.getString("topic")).stop());
        snippets.put("offsets.set", Traffic::setOffsets);
        snippets.put("offsets.get", Traffic::getOffsets);
        snippets.put("locks.take", Traffic::takeLocks);
        snippets.put("locks.release", Traffic::releaseLocks);
    }

    private static final class Run {
        final ConcurrentLinkedQueue<String> acked = new ConcurrentLinkedQueue<>();
        final AtomicInteger failures = new AtomicInteger();
        final Received received = new Received();
        final List<Thread> threads = new ArrayList<>();
        final List<String> outOfOrder = new ArrayList<>();
        volatile boolean ending;
        DefaultMQProducer producer;
        DefaultMQPushConsumer consumer;

        Object waitForAcks(int count) throws Exception {
            Until.holds(count + " sends are acknowledged, now " + acked.size(), () -> acked.size() >= count);
            return acked.size();
        }

        Object stop() throws Exception {
            ending = true;
            for (Thread thread : threads) thread.join();
            Set<String> wanted = new HashSet<>(acked);
            Map<String, Object> answer = new LinkedHashMap<>();
            try {
                Until.holds("the consumer has all that was acknowledged", () -> bodies().containsAll(wanted));
            } catch (IllegalStateException missing) {
                wanted.removeAll(bodies());
                answer.put("neverReceived", wanted.stream().limit(20).collect(Collectors.toList()));
            }
            producer.shutdown();
            consumer.shutdown();
            answer.put("acked", new ArrayList<>(acked));
            answer.put("failures", failures.get());
            answer.put("deliveries", received.deliveries());
            answer.put("outOfOrder", outOfOrder);
            return answer;
        }

        private Set<String> bodies() {
            return received.list().stream().map((delivery) -> String.valueOf(delivery.get("body"))).collect(Collectors.toSet());
        }
    }

    /** Some threads send one message after the other, each to a queue of its own; one member consumes in order. */
    static Object start(JSONObject args) throws Exception {
        Run run = new Run();
        String topic = args.getString("topic");
        run.producer = Clients.ownInstance(new DefaultMQProducer("interop-traffic"));
        run.producer.setSendMsgTimeout(3000);
        run.producer.start();
        for (int i = 0; i < args.getIntValue("threads"); i++) {
            int lane = i;
            Thread thread = new Thread(() -> send(run, topic, lane));
            run.threads.add(thread);
            thread.start();
        }
        run.consumer = Clients.pushConsumer(args.getString("group"));
        run.consumer.subscribe(topic, "*");
        Map<String, Integer> last = new HashMap<>();
        run.consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            String body = new String(messages.get(0).getBody(), StandardCharsets.UTF_8);
            String lane = body.substring(0, body.indexOf('/'));
            int number = Integer.parseInt(body.substring(body.indexOf('/') + 1));
            int times = run.received.add("a", messages.get(0));
            synchronized (last) {
                // a first delivery must not be older than one that came before
                if (times == 1 && number < last.getOrDefault(lane, -1)) run.outOfOrder.add(body + " after " + last.get(lane));
                last.merge(lane, number, Math::max);
            }
            return ConsumeOrderlyStatus.SUCCESS;
        });
        run.consumer.start();
        RUNS.put(topic, run);
        return null;
    }

    private static void send(Run run, String topic, int lane) {
        for (int number = 0; !run.ending; number++) {
            String body = "lane-" + lane + "/" + number;
            try {
                Message message = new Message(topic, "TagA", body, body.getBytes(StandardCharsets.UTF_8));
                if (run.producer.send(message, (queues, sent, id) -> queues.get(lane % queues.size()), null).getSendStatus() == SendStatus.SEND_OK) run.acked.add(body);
            } catch (Exception unknown) {
                run.failures.incrementAndGet();
                pause();
            }
        }
    }

    /** A selector's send is not tried again by the client, so a dead server would be asked in a tight loop. */
    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    static Object setOffsets(JSONObject args) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer(args.getString("group"));
        try {
            for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(args.getString("topic"))) {
                // a group comes into being by its first pull, and only a known group has a position
                consumer.pull(queue, "*", 0, 1);
                consumer.getOffsetStore().updateConsumeOffsetToBroker(queue, args.getLongValue("offset") + queue.getQueueId(), false);
            }
        } finally {
            consumer.shutdown();
        }
        return null;
    }

    static Object getOffsets(JSONObject args) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer(args.getString("group"));
        Map<String, Object> offsets = new LinkedHashMap<>();
        try {
            for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(args.getString("topic"))) offsets.put(Views.queue(queue), consumer.fetchConsumeOffset(queue, true));
        } finally {
            consumer.shutdown();
        }
        return offsets;
    }

    private static MQClientAPIImpl api() throws Exception {
        Clients.producer();
        return Clients.producer().getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
    }

    private static Set<MessageQueue> queues(String topic) throws Exception {
        return new HashSet<>(Clients.producer().fetchPublishMessageQueues(topic));
    }

    /** Which of the topic's queues this client holds after asking for all of them. */
    static Object takeLocks(JSONObject args) throws Exception {
        Set<String> held = new java.util.TreeSet<>();
        for (String master : Groups.masters()) Versions.lock(api(), master, args.getString("group"), args.getString("clientId"), queues(args.getString("topic"))).forEach((queue) -> held.add(Views.queue(queue)));
        return held;
    }

    static Object releaseLocks(JSONObject args) throws Exception {
        for (String master : Groups.masters()) Versions.unlock(api(), master, args.getString("group"), args.getString("clientId"), queues(args.getString("topic")));
        return null;
    }
}
