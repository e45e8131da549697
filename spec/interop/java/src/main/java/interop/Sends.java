package interop;

import com.alibaba.fastjson.JSONObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Every way to send; each answers with what the client was told. */
final class Sends {
    private Sends() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("topic.create", (args) -> {
            Topics.create(args.getString("topic"), args.getIntValue("queues"));
            return null;
        });
        snippets.put("topic.read", (args) -> Topics.read(args.getString("topic"), args.getIntValue("atLeast")).stream().map(Views::message).collect(Collectors.toList()));
        snippets.put("send.sync", Sends::sync);
        snippets.put("send.async", Sends::async);
        snippets.put("send.oneway", Sends::oneway);
        snippets.put("send.batch", Sends::batch);
        snippets.put("send.byOrder", Sends::byOrder);
        snippets.put("send.toFirstQueue", Sends::toFirstQueue);
        snippets.put("send.withProperties", Sends::withProperties);
        snippets.put("send.large", Sends::large);
        snippets.put("send.tooLarge", Sends::tooLarge);
        snippets.put("send.compressed", Sends::compressed);
    }

    static Message text(String topic, String tags, String keys, String body) {
        return new Message(topic, tags, keys, body.getBytes(StandardCharsets.UTF_8));
    }

    /** One message after another, each with the tag and the key that go with its number. */
    static Object sync(JSONObject args) throws Exception {
        List<Object> results = new ArrayList<>();
        List<String> tags = args.getJSONArray("tags") == null ? List.of("TagA") : args.getJSONArray("tags").toJavaList(String.class);
        String prefix = args.getString("prefix") == null ? "sync-" : args.getString("prefix");
        for (int i = 0; i < args.getIntValue("count"); i++) {
            Message message = text(args.getString("topic"), tags.get(i % tags.size()), "key-" + i, prefix + i);
            results.add(Views.sent(Clients.producer().send(message)));
        }
        return results;
    }

    static Object async(JSONObject args) throws Exception {
        ConcurrentLinkedQueue<Object> results = new ConcurrentLinkedQueue<>();
        int count = args.getIntValue("count");
        for (int i = 0; i < count; i++) {
            Clients.producer().send(text(args.getString("topic"), "TagA", "key-" + i, "async-" + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    results.add(Views.sent(result));
                }

                @Override
                public void onException(Throwable error) {
                    results.add(Views.error(error));
                }
            });
        }
        Until.holds("every callback was called", () -> results.size() == count);
        return results;
    }

    static Object oneway(JSONObject args) throws Exception {
        for (int i = 0; i < args.getIntValue("count"); i++) Clients.producer().sendOneway(text(args.getString("topic"), "TagA", null, "oneway-" + i));
        return null;
    }

    static Object batch(JSONObject args) throws Exception {
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < args.getIntValue("count"); i++) batch.add(text(args.getString("topic"), "TagA", "key-" + i, "batch-" + i));
        return Views.sent(Clients.producer().send(batch));
    }

    /** Steps of several orders, interleaved; the order's id chooses the queue. */
    static Object byOrder(JSONObject args) throws Exception {
        List<Object> results = new ArrayList<>();
        int orders = args.getIntValue("orders");
        for (int i = 0; i < orders * args.getIntValue("steps"); i++) {
            String order = "order-" + i % orders;
            Message message = text(args.getString("topic"), "TagA", order, order + "/" + i / orders);
            results.add(Views.sent(Clients.producer().send(message, (queues, sent, id) -> queues.get(Math.floorMod(id.hashCode(), queues.size())), order)));
        }
        return results;
    }

    static Object toFirstQueue(JSONObject args) throws Exception {
        List<Object> results = new ArrayList<>();
        for (int i = 0; i < args.getIntValue("count"); i++) {
            Message message = text(args.getString("topic"), "TagA", "key-" + i, "global-" + i);
            results.add(Views.sent(Clients.producer().send(message, (queues, sent, none) -> queues.get(0), null)));
        }
        return results;
    }

    static Object withProperties(JSONObject args) throws Exception {
        Message message = text(args.getString("topic"), args.getString("tags"), null, args.getString("body"));
        message.setKeys(args.getJSONArray("keys").toJavaList(String.class));
        message.setFlag(args.getIntValue("flag"));
        args.getJSONObject("properties").forEach((name, value) -> message.putUserProperty(name, value.toString()));
        return Views.sent(Clients.producer().send(message));
    }

    private static byte[] body(int length, boolean compressible) {
        byte[] body = new byte[length];
        if (compressible) Arrays.fill(body, (byte) 'x');
        else new Random(length).nextBytes(body);
        return body;
    }

    static Object large(JSONObject args) throws Exception {
        byte[] body = body(args.getIntValue("length"), args.getBooleanValue("compressible"));
        Map<String, Object> answer = new LinkedHashMap<>(Views.sent(Clients.producer().send(new Message(args.getString("topic"), "TagA", body))));
        answer.put("bodyHash", Arrays.hashCode(body));
        return answer;
    }

    /** The client lets it pass, so that the broker has to refuse. */
    static Object tooLarge(JSONObject args) throws Exception {
        DefaultMQProducer producer = Clients.ownInstance(new DefaultMQProducer("interop-large-producers"));
        producer.setMaxMessageSize(16 * 1024 * 1024);
        producer.setRetryTimesWhenSendFailed(0);
        producer.start();
        try {
            return Views.sent(producer.send(new Message(args.getString("topic"), "TagA", body(args.getIntValue("length"), false)), 10_000));
        } finally {
            producer.shutdown();
        }
    }

    /** One body in every compression this client has: 5.x chooses by a setting, 4.x has zlib only. */
    static Object compressed(JSONObject args) throws Exception {
        byte[] body = body(args.getIntValue("length"), true);
        List<Object> types = new ArrayList<>();
        DefaultMQProducer producer = Clients.ownInstance(new DefaultMQProducer("interop-compressing-producers"));
        producer.start();
        try {
            for (Object type : Versions.compressionTypes()) {
                Versions.setCompressionType(producer, type);
                Message message = new Message(args.getString("topic"), String.valueOf(type), body);
                producer.send(message);
                types.add(String.valueOf(type));
            }
        } finally {
            producer.shutdown();
        }
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("types", types);
        answer.put("bodyHash", Arrays.hashCode(body));
        return answer;
    }
}
