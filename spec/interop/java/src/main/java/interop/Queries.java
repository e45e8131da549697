package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages chosen by what they say: SQL92 subscriptions, keys, and groups that go back. */
final class Queries {
    private Queries() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("sql.send", Queries::send);
        snippets.put("sql.push", Queries::push);
        snippets.put("sql.lite", Queries::lite);
        snippets.put("query.byKey", Queries::byKey);
        snippets.put("replay", Queries::replay);
    }

    /** Messages with a number and a colour as properties. */
    static Object send(JSONObject args) throws Exception {
        for (int i = 0; i < args.getIntValue("count"); i++) {
            Message message = new Message(args.getString("topic"), "TagA", "key-" + i, ("sql-" + i).getBytes("UTF-8"));
            message.putUserProperty("number", String.valueOf(i));
            message.putUserProperty("colour", i % 2 == 0 ? "red" : "blue");
            Clients.producer().send(message);
        }
        return null;
    }

    /** Takes so many messages that the expression lets through; a consumer whose expression is wrong does not start. */
    static Object push(JSONObject args) throws Exception {
        Received received = new Received();
        DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
        consumer.subscribe(args.getString("topic"), MessageSelector.bySql(args.getString("sql")));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) received.add("a", message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        try {
            if (args.getIntValue("sendAfterStart") > 0) send(new JSONObject(Map.of("topic", args.getString("topic"), "count", args.getIntValue("sendAfterStart"))));
            Until.holds("it has " + args.getIntValue("count"), () -> received.deliveries() >= args.getIntValue("count"));
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }

    /** The same by a lite pull consumer. */
    static Object lite(JSONObject args) throws Exception {
        Received received = new Received();
        DefaultLitePullConsumer consumer = Clients.ownInstance(new DefaultLitePullConsumer(args.getString("group")));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(args.getString("topic"), MessageSelector.bySql(args.getString("sql")));
        consumer.start();
        try {
            Until.holds("it has " + args.getIntValue("count"), () -> {
                for (MessageExt message : consumer.poll(200)) received.add("a", message);
                return received.deliveries() >= args.getIntValue("count");
            });
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }

    /** By a key, by a unique key, and by the id of the position, as the producer and the admin client offer it. */
    static Object byKey(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        List<MessageExt> byKey = Clients.producer().queryMessage(topic, args.getString("key"), 32, 0, Long.MAX_VALUE).getMessageList();
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("byKey", byKey.stream().map(Views::message).collect(Collectors.toList()));
        found.put("byUniqueKey", Views.message(Clients.producer().viewMessage(topic, args.getString("msgId"))));
        found.put("byAdmin", Views.message(Clients.admin().viewMessage(topic, args.getString("msgId"))));
        return found;
    }

    /** A group takes all, is sent back to a time while it consumes, and takes all again; then it skips what it has not taken. */
    static Object replay(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        String group = args.getString("group");
        int count = args.getIntValue("count");
        Received received = new Received();
        DefaultMQPushConsumer consumer = Clients.pushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) received.add("a", message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        try {
            Until.holds("all came", () -> received.deliveries() >= count);
            Clients.admin().resetOffsetByTimestamp(topic, group, args.getLongValue("timestamp"), true);
            Until.holds("all came again", () -> received.deliveries() >= 2 * count);
        } finally {
            consumer.shutdown();
        }
        return received.list();
    }
}
