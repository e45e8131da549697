package interop;

import com.alibaba.fastjson.JSONObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
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

/** Steady traffic that a server's death interrupts: producers that note what was acknowledged, orderly consumers that come and go, locks. */
final class Traffic {
    private static final Map<String, Run> RUNS = new ConcurrentHashMap<>();

    private Traffic() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("traffic.start", Traffic::start);
        snippets.put("traffic.join", (args) -> RUNS.get(args.getString("topic")).join(args.getString("member"), args.getIntValue("queues")));
        snippets.put("traffic.leave", (args) -> RUNS.get(args.getString("topic")).leave(args.getString("member"), args.getIntValue("queues")));
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
        final Map<String, Lane> lanes = new ConcurrentHashMap<>();
        final Map<String, DefaultMQPushConsumer> members = new ConcurrentHashMap<>();
        final String topic;
        final String group;
        /** A message in so many of each lane holds up its queue when it comes first; 0: none does. */
        final int suspendEvery;
        volatile boolean ending;
        DefaultMQProducer producer;

        Run(JSONObject args) {
            topic = args.getString("topic");
            group = args.getString("group");
            suspendEvery = args.getIntValue("suspendEvery");
        }

        Object join(String name, int queues) throws Exception {
            DefaultMQPushConsumer member = Clients.pushConsumer(group);
            // else the client gives its locks back while a thread of its own is still in the queue
            member.setAwaitTerminationMillisWhenShutdown(2000);
            member.subscribe(topic, "*");
            member.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                String body = new String(messages.get(0).getBody(), StandardCharsets.UTF_8);
                int slash = body.indexOf('/');
                Lane lane = lanes.computeIfAbsent(body.substring(0, slash), (first) -> new Lane());
                lane.enter();
                try {
                    int number = Integer.parseInt(body.substring(slash + 1));
                    if (lane.take(body, number, received.add(name, messages.get(0)), suspendEvery)) return ConsumeOrderlyStatus.SUCCESS;
                    context.setSuspendCurrentQueueTimeMillis(20);
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                } finally {
                    lane.leave();
                }
            });
            member.start();
            members.put(name, member);
            if (queues == 0) return null;
            Map<String, Set<String>> shares = Groups.sharedOut(topic, queues, members);
            Until.holds(name + " has messages of each of its queues", () -> received.list().stream()
                .filter((delivery) -> delivery.get("member").equals(name)).map((delivery) -> delivery.get("queueId")).distinct().count() == shares.get(name).size());
            return shares;
        }

        Object leave(String name, int queues) throws Exception {
            members.remove(name).shutdown();
            return Groups.sharedOut(topic, queues, members);
        }

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
            for (DefaultMQPushConsumer member : members.values()) member.shutdown();
            answer.put("acked", new ArrayList<>(acked));
            answer.put("failures", failures.get());
            answer.put("deliveries", received.deliveries());
            answer.put("suspended", lanes.values().stream().mapToInt((lane) -> lane.suspended).sum());
            answer.put("outOfOrder", lanes.values().stream().flatMap((lane) -> lane.wrong.stream()).collect(Collectors.toList()));
            answer.put("byMember", received.list().stream().collect(Collectors.groupingBy((delivery) -> delivery.get("member"), Collectors.counting())));
            return answer;
        }

        private Set<String> bodies() {
            return received.list().stream().map((delivery) -> String.valueOf(delivery.get("body"))).collect(Collectors.toSet());
        }
    }

    /** What the consumers of one lane, which is one key and one queue, have made of it. */
    private static final class Lane {
        final List<String> wrong = new ArrayList<>();
        int suspended;
        private int inside;
        private int last = -1;
        /** It holds up its queue: nothing behind it may come before it was taken. */
        private int held = -1;

        synchronized void enter() {
            if (++inside > 1) wrong.add("two consumers at once, after " + last);
        }

        synchronized void leave() {
            inside--;
        }

        /** Returns whether the message is taken; what was held up is, the second time. */
        synchronized boolean take(String body, int number, int times, int suspendEvery) {
            // a first delivery must not be older than one that came before
            if (times == 1 && number < last) wrong.add(body + " after " + last);
            if (held >= 0 && number > held) wrong.add(body + " overtook " + held);
            last = Math.max(last, number);
            if (times == 1 && suspendEvery > 0 && number % suspendEvery == suspendEvery - 1) {
                held = number;
                suspended++;
                return false;
            }
            if (number == held) held = -1;
            return true;
        }
    }

    /** Some threads send one message after the other, each to a queue of its own; one member consumes in order, until others join. */
    static Object start(JSONObject args) throws Exception {
        Run run = new Run(args);
        run.producer = Clients.ownInstance(new DefaultMQProducer("interop-traffic"));
        run.producer.setSendMsgTimeout(3000);
        run.producer.start();
        for (int i = 0; i < args.getIntValue("threads"); i++) {
            int lane = i;
            Thread thread = new Thread(() -> send(run, lane));
            run.threads.add(thread);
            thread.start();
        }
        run.join("a", 0);
        RUNS.put(run.topic, run);
        return null;
    }

    private static void send(Run run, int lane) {
        for (int number = 0; !run.ending; number++) {
            String body = "lane-" + lane + "/" + number;
            try {
                Message message = new Message(run.topic, "TagA", body, body.getBytes(StandardCharsets.UTF_8));
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
