package interop;

import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that come later: by level, by time, and not at all when they are recalled. */
final class TimedMessages {
    private TimedMessages() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("timed.consume", TimedMessages::consume);
        snippets.put("timed.refused", TimedMessages::refused);
        snippets.put("timed.canRecall", (args) -> recallMethod() != null);
    }

    /**
     * Sends a message for each way to wait: {"level": n}, or a property with its value, or "at" with ms from now. Recalls those with "recall" at once. Answers for
     * each body how long after its send it came, how long it was to wait, and what its recall answered.
     */
    static Object consume(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        Map<String, Long> receivedAt = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) receivedAt.putIfAbsent(Views.message(message).get("body").toString(), System.currentTimeMillis());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Map<String, Map<String, Object>> told = new LinkedHashMap<>();
        try {
            JSONArray ways = args.getJSONArray("ways");
            Map<String, Long> sentAt = new LinkedHashMap<>();
            for (int i = 0; i < ways.size(); i++) {
                JSONObject way = ways.getJSONObject(i);
                Message message = Sends.text(topic, "TagA", "key-" + i, way.getString("body"));
                long now = System.currentTimeMillis();
                if (way.containsKey("level")) message.setDelayTimeLevel(way.getIntValue("level"));
                if (way.containsKey("property")) MessageAccessor.putProperty(message, way.getString("property"), way.containsKey("at") ? String.valueOf(now + way.getLongValue("at")) : way.getString("value"));
                SendResult result = Clients.producer().send(message);
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("status", result.getSendStatus().name());
                one.put("handle", handleOf(result));
                if (way.getBooleanValue("recall")) {
                    one.put("msgId", result.getMsgId());
                    one.put("recalled", recall(topic, handleOf(result)));
                    one.put("again", recall(topic, handleOf(result)));
                } else {
                    sentAt.put(way.getString("body"), now);
                }
                told.put(way.getString("body"), one);
            }
            Until.holds("all have come that were not recalled: " + sentAt.keySet() + ", " + receivedAt.keySet(), () -> receivedAt.keySet().containsAll(sentAt.keySet()));
            Thread.sleep(args.getLongValue("lingerMs"));
            for (Map.Entry<String, Long> received : receivedAt.entrySet()) told.get(received.getKey()).put("tookMs", received.getValue() - sentAt.getOrDefault(received.getKey(), 0L));
        } finally {
            consumer.shutdown();
        }
        return told;
    }

    /** The code and text with which a message of that property is refused. */
    static Object refused(JSONObject args) throws Exception {
        Message message = Sends.text(args.getString("topic"), "TagA", null, "refused");
        MessageAccessor.putProperty(message, args.getString("property"), args.getString("value"));
        DefaultMQProducer producer = Clients.producer();
        try {
            producer.send(message);
        } catch (MQBrokerException error) {
            return Views.error(error);
        }
        return null;
    }

    private static Object recall(String topic, Object handle) throws Exception {
        try {
            return recallMethod().invoke(Clients.producer(), topic, handle);
        } catch (java.lang.reflect.InvocationTargetException error) {
            return Views.error(error.getCause());
        }
    }

    /** Since 5.3.1. */
    private static Method recallMethod() {
        try {
            return DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class);
        } catch (NoSuchMethodException before) {
            return null;
        }
    }

    private static Object handleOf(SendResult result) throws Exception {
        try {
            return SendResult.class.getMethod("getRecallHandle").invoke(result);
        } catch (NoSuchMethodException before) {
            return null;
        }
    }
}
