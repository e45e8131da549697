package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.store.OffsetStore;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** Push consumers that take messages concurrently. Each answers with what it was given. */
final class PushConsumers {
    private PushConsumers() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("push.all", PushConsumers::all);
        snippets.put("push.reconsume", PushConsumers::reconsume);
        snippets.put("push.deadLetters", PushConsumers::deadLetters);
        snippets.put("push.pool", PushConsumers::pool);
        snippets.put("push.broadcast", PushConsumers::broadcast);
        snippets.put("push.from", PushConsumers::from);
    }

    private static DefaultMQPushConsumer start(String group, String topic, String tags, MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = Clients.pushConsumer(group);
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    /** Takes so many messages of the wanted tags, then stops. */
    static Object all(JSONObject args) throws Exception {
        Received received = new Received();
        String tags = args.getString("tags") == null ? "*" : args.getString("tags");
        DefaultMQPushConsumer consumer = start(args.getString("group"), args.getString("topic"), tags, (messages, context) -> {
            for (MessageExt message : messages) received.add("a", message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        try {
            Until.holds(args.getString("group") + " has " + args.getIntValue("count") + " messages, it has " + received.distinct(), () -> received.distinct() >= args.getIntValue("count"));
            // a listener has returned when its messages are gone from the client: only then is there progress to store on the way out
            if (tags.equals("*")) Until.holds("progress is noted", () -> notedProgress(consumer, args.getString("topic")) >= args.getIntValue("count"));
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }

    private static long notedProgress(DefaultMQPushConsumer consumer, String topic) {
        OffsetStore offsets = consumer.getDefaultMQPushConsumerImpl().getOffsetStore();
        return Groups.assigned(consumer, topic).stream().mapToLong((queue) -> Math.max(0, offsets.readOffset(queue, ReadOffsetType.READ_FROM_MEMORY))).sum();
    }

    /** Fails each message once, with the shortest delay, and takes it the second time. */
    static Object reconsume(JSONObject args) throws Exception {
        Received received = new Received();
        int count = args.getIntValue("count");
        DefaultMQPushConsumer consumer = start(args.getString("group"), args.getString("topic"), "*", (messages, context) -> {
            context.setDelayLevelWhenNextConsume(args.getIntValue("delayLevel"));
            return received.add("a", messages.get(0)) == 1 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        try {
            Until.holds("all came again", () -> received.deliveries() >= 2 * count);
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }

    /** Never succeeds; a delay level below zero asks for the dead-letter topic at once. */
    static Object deadLetters(JSONObject args) throws Exception {
        Received received = new Received();
        String group = args.getString("group");
        DefaultMQPushConsumer consumer = Clients.pushConsumer(group);
        consumer.setMaxReconsumeTimes(args.getIntValue("maxReconsumeTimes"));
        consumer.subscribe(args.getString("topic"), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.add("a", messages.get(0));
            context.setDelayLevelWhenNextConsume(args.getIntValue("delayLevel"));
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        try {
            int count = args.getIntValue("count");
            Until.holds("the dead-letter topic is routed", () -> Groups.maybeRoute("%DLQ%" + group));
            List<Object> dead = Topics.read("%DLQ%" + group, count).stream().map(Views::message).collect(Collectors.toList());
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("received", received.list());
            answer.put("dead", dead);
            return answer;
        } finally {
            consumer.shutdown();
        }
    }

    /** Hands batches to a pool of threads and sends a batch back when one of its messages fails. */
    static Object pool(JSONObject args) throws Exception {
        Received received = new Received();
        int count = args.getIntValue("count");
        ExecutorService threads = Executors.newFixedThreadPool(20);
        DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
        consumer.setConsumeThreadMin(20);
        consumer.setConsumeThreadMax(64);
        consumer.setPullBatchSize(32);
        consumer.setPullInterval(0);
        consumer.setConsumeTimeout(15);
        consumer.setConsumeMessageBatchMaxSize(8);
        consumer.subscribe(args.getString("topic"), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            context.setDelayLevelWhenNextConsume(1);
            List<Future<Boolean>> outcomes = new ArrayList<>();
            for (MessageExt message : messages) outcomes.add(threads.submit(() -> received.add("a", message) > 1 || !message.getKeys().endsWith("7")));
            boolean succeeded = true;
            for (Future<Boolean> outcome : outcomes) {
                try {
                    succeeded &= outcome.get();
                } catch (Exception failure) {
                    succeeded = false;
                }
            }
            return succeeded ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        try {
            Until.holds("the failed came again", () -> received.distinct() == count
                && received.list().stream().filter((delivery) -> (int) delivery.get("reconsumeTimes") > 0 && String.valueOf(delivery.get("keys")).endsWith("7")).count() >= args.getIntValue("failing"));
        } finally {
            consumer.shutdown();
            threads.shutdown();
        }
        return received.list();
    }

    /** Two members, both of which are to get everything. */
    static Object broadcast(JSONObject args) throws Exception {
        Received received = new Received();
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        int count = args.getIntValue("count");
        for (String member : List.of("a", "b")) {
            DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
            Versions.setMessageModel(consumer, "BROADCASTING");
            consumer.subscribe(args.getString("topic"), "*");
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                for (MessageExt message : messages) received.add(member, message);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
            consumer.start();
            members.add(consumer);
        }
        try {
            Until.holds("both have all", () -> received.ofMember("a") >= count && received.ofMember("b") >= count);
        } finally {
            for (DefaultMQPushConsumer member : members) member.shutdown();
        }
        return received.list();
    }

    /** A new group that begins where it is told to; answers when what is sent after its start has come. */
    static Object from(JSONObject args) throws Exception {
        Received received = new Received();
        DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf(args.getString("where")));
        if (args.getString("timestamp") != null) consumer.setConsumeTimestamp(args.getString("timestamp"));
        consumer.subscribe(args.getString("topic"), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) received.add("a", message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        try {
            Until.holds("its queues are assigned", () -> Groups.assigned(consumer, args.getString("topic")).size() == args.getIntValue("queues"));
            JSONObject sends = new JSONObject();
            sends.put("topic", args.getString("topic"));
            sends.put("count", args.getIntValue("count"));
            sends.put("prefix", "after-start-");
            Sends.sync(sends);
            Until.holds("the last message came", () -> received.list().stream().filter((delivery) -> String.valueOf(delivery.get("body")).startsWith("after-start-")).count() >= args.getIntValue("count"));
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }
}
