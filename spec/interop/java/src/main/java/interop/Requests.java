package interop;

import com.alibaba.fastjson.JSONObject;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests that are answered by whoever consumes them, and messages whose way is traced. */
final class Requests {
    private Requests() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("request.reply", Requests::reply);
        snippets.put("trace.send", Requests::trace);
    }

    /** Some requests are answered in capitals; the one named "silent" never, and its requester is told so in time. */
    static Object reply(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        Map<String, Object> outcome = Collections.synchronizedMap(new LinkedHashMap<>());
        DefaultMQProducer replies = Clients.ownInstance(new DefaultMQProducer(args.getString("group") + "-replies"));
        DefaultMQProducer requests = Clients.ownInstance(new DefaultMQProducer(args.getString("group") + "-requests"));
        DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
        replies.start();
        requests.start();
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            try {
                for (MessageExt message : messages) {
                    String body = new String(message.getBody(), "UTF-8");
                    if (!body.equals("silent")) replies.send(MessageUtil.createReplyMessage(message, body.toUpperCase().getBytes("UTF-8")), 3000);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            } catch (Exception error) {
                outcome.put("failure", String.valueOf(error));
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        });
        consumer.start();
        try {
            for (String body : new String[] {"first", "second", "third"}) {
                outcome.put(body, answerTo(requests, new Message(topic, body.getBytes("UTF-8")), 10_000));
            }
            outcome.put("silent", answerTo(requests, new Message(topic, "silent".getBytes("UTF-8")), 1000));
        } finally {
            consumer.shutdown();
            requests.shutdown();
            replies.shutdown();
        }
        return outcome;
    }

    /** By a callback: in 5.3.3 a call that waits returns without the reply as soon as the request is stored (RocketMQ's pull request 9608). */
    private static String answerTo(DefaultMQProducer requests, Message request, long timeoutMs) throws Exception {
        CompletableFuture<String> answer = new CompletableFuture<>();
        requests.request(request, new RequestCallback() {
            @Override
            public void onSuccess(Message reply) {
                answer.complete(new String(reply.getBody(), StandardCharsets.UTF_8));
            }

            @Override
            public void onException(Throwable error) {
                if (error instanceof RequestTimeoutException) answer.complete("timeout");
                else answer.completeExceptionally(error);
            }
        }, timeoutMs);
        return answer.get();
    }

    /** One message whose producer and consumer write down what they do with it; returns its id once it was consumed and both have written. */
    static Object trace(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        DefaultMQProducer producer = Clients.ownInstance(new DefaultMQProducer(args.getString("group") + "-producers", true, null));
        DefaultMQPushConsumer consumer = Clients.ownInstance(new DefaultMQPushConsumer(args.getString("group"), true, null));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
        producer.start();
        consumer.start();
        try {
            String msgId = producer.send(new Message(topic, "TagT", "traced", "body".getBytes("UTF-8"))).getMsgId();
            Until.holds("both have written", () -> {
                String written = written(msgId);
                return written.contains("Pub") && written.contains("SubAfter");
            });
            return msgId;
        } finally {
            producer.shutdown();
            consumer.shutdown();
        }
    }

    /** What stands in the topic of traces about a message; nothing at first. */
    private static String written(String msgId) throws Exception {
        try {
            StringBuilder text = new StringBuilder();
            for (MessageExt message : Clients.producer().queryMessage("RMQ_SYS_TRACE_TOPIC", msgId, 32, 0, Long.MAX_VALUE).getMessageList()) text.append(new String(message.getBody(), StandardCharsets.UTF_8));
            return text.toString();
        } catch (MQClientException none) {
            return "";
        }
    }
}
