package interop;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What of the client's objects goes into an answer. */
final class Views {
    /** Longer bodies are told by length and hash. */
    private static final int WHOLE_BODY_BYTES = 256;

    private Views() {
    }

    static Map<String, Object> message(MessageExt message) {
        Map<String, Object> view = new LinkedHashMap<>();
        byte[] body = message.getBody();
        view.put("topic", message.getTopic());
        view.put("queueId", message.getQueueId());
        view.put("queueOffset", message.getQueueOffset());
        view.put("tags", message.getTags());
        view.put("keys", message.getKeys());
        view.put("flag", message.getFlag());
        view.put("sysFlag", message.getSysFlag());
        view.put("reconsumeTimes", message.getReconsumeTimes());
        view.put("msgId", message.getMsgId());
        view.put("bornTimestamp", message.getBornTimestamp());
        view.put("storeTimestamp", message.getStoreTimestamp());
        view.put("storeSize", message.getStoreSize());
        view.put("bodyLength", body.length);
        view.put("bodyHash", java.util.Arrays.hashCode(body));
        view.put("body", body.length <= WHOLE_BODY_BYTES ? new String(body, StandardCharsets.UTF_8) : null);
        view.put("properties", new TreeMap<>(message.getProperties()));
        return view;
    }

    static Map<String, Object> sent(SendResult result) {
        Map<String, Object> view = new LinkedHashMap<>();
        view.put("status", result.getSendStatus().name());
        view.put("msgId", result.getMsgId());
        view.put("offsetMsgId", result.getOffsetMsgId());
        view.put("brokerName", result.getMessageQueue().getBrokerName());
        view.put("queueId", result.getMessageQueue().getQueueId());
        view.put("queueOffset", result.getQueueOffset());
        return view;
    }

    static String queue(MessageQueue queue) {
        return queue.getBrokerName() + "/" + queue.getQueueId();
    }

    static Map<String, Object> error(Throwable error) {
        Map<String, Object> view = new LinkedHashMap<>();
        view.put("type", error.getClass().getSimpleName());
        view.put("code", code(error));
        view.put("message", error.getMessage() == null ? error.toString() : error.getMessage());
        StackTraceElement[] trace = error.getStackTrace();
        StringBuilder where = new StringBuilder();
        for (int i = 0; i < Math.min(6, trace.length); i++) where.append(trace[i]).append('\n');
        view.put("where", where.toString());
        return view;
    }

    private static Integer code(Throwable error) {
        if (error instanceof MQBrokerException) return ((MQBrokerException) error).getResponseCode();
        if (error instanceof MQClientException) return ((MQClientException) error).getResponseCode();
        return null;
    }
}
