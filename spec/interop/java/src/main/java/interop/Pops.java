package interop;

import com.alibaba.fastjson.JSONObject;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.impl.consumer.DefaultMQPushConsumerImpl;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/** Consumers in pop mode: the push consumer, and the calls that it and proxies make. */
final class Pops {
    private static final long TIMEOUT_MS = 5000;
    private static final Map<String, Run> RUNS = new ConcurrentHashMap<>();

    private Pops() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("pop.push", Pops::push);
        snippets.put("pop.start", Pops::start);
        snippets.put("pop.stop", (args) -> RUNS.remove(args.getString("topic")).stop(args));
        snippets.put("pop.take", Pops::take);
        snippets.put("pop.ack", Pops::ack);
        snippets.put("pop.ackAll", Pops::ackAll);
        snippets.put("pop.change", Pops::change);
    }

    private static final class Run {
        final Received received = new Received();
        final List<DefaultMQPushConsumer> members = new ArrayList<>();

        /** Waits until all of these bodies came. */
        Object stop(JSONObject args) throws Exception {
            List<String> wanted = args.getJSONArray("bodies").toJavaList(String.class);
            Map<String, Object> answer = new LinkedHashMap<>();
            try {
                Until.holds("all came by pop", () -> bodies().containsAll(wanted));
            } catch (IllegalStateException missing) {
                answer.put("neverReceived", wanted.stream().filter((body) -> !bodies().contains(body)).limit(20).collect(Collectors.toList()));
            }
            for (DefaultMQPushConsumer member : members) member.shutdown();
            answer.put("deliveries", received.deliveries());
            answer.put("distinct", received.distinct());
            return answer;
        }

        private java.util.Set<String> bodies() {
            return received.list().stream().map((delivery) -> String.valueOf(delivery.get("body"))).collect(Collectors.toSet());
        }
    }

    /** The client waits ten seconds and more before another attempt; there is no setting for it. */
    private static DefaultMQPushConsumer member(String group, String topic, int batch, MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = Clients.pushConsumer(group);
        consumer.setClientRebalance(false);
        consumer.setPopBatchNums(batch);
        consumer.setPopThresholdForQueue(3 * batch);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(listener);
        Field delays = DefaultMQPushConsumerImpl.class.getDeclaredField("popDelayLevel");
        delays.setAccessible(true);
        Arrays.fill((int[]) delays.get(consumer.getDefaultMQPushConsumerImpl()), 1);
        consumer.start();
        return consumer;
    }

    /** Some members; bodies in `fail` fail the first time. Answers when all came, and those that failed came again. */
    static Object push(JSONObject args) throws Exception {
        Received received = new Received();
        List<String> fail = args.getJSONArray("fail").toJavaList(String.class);
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        for (int i = 0; i < args.getIntValue("members"); i++) {
            String name = "member-" + i;
            members.add(member(args.getString("group"), args.getString("topic"), 2, (messages, context) -> {
                MessageExt message = messages.get(0);
                boolean isFirst = received.add(name, message) == 1;
                pause(args.getLongValue("pauseMs"));
                return isFirst && fail.contains(new String(message.getBody(), StandardCharsets.UTF_8)) ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }));
        }
        try {
            Until.holds("all came, and " + fail + " again", () -> received.distinct() >= args.getIntValue("count") && received.deliveries() >= args.getIntValue("count") + fail.size());
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("isPopped", members.get(0).getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().keySet().stream().anyMatch((queue) -> queue.getTopic().equals(args.getString("topic"))));
            answer.put("received", received.list());
            return answer;
        } finally {
            for (DefaultMQPushConsumer member : members) member.shutdown();
        }
    }

    /** What a message takes: else the first member would have all of them before the last has begun. */
    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    /** One that goes on until `pop.stop`. */
    static Object start(JSONObject args) throws Exception {
        Run run = new Run();
        run.members.add(member(args.getString("group"), args.getString("topic"), 32, (messages, context) -> {
            for (MessageExt message : messages) run.received.add("a", message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        }));
        RUNS.put(args.getString("topic"), run);
        return null;
    }

    private static MQClientAPIImpl api() throws Exception {
        return Clients.producer().getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
    }

    private static String broker() throws Exception {
        return Groups.masters().iterator().next();
    }

    /** One pop: what it gave, each message with its handle. */
    static Object take(JSONObject args) throws Exception {
        PopMessageRequestHeader header = new PopMessageRequestHeader();
        header.setConsumerGroup(args.getString("group"));
        header.setTopic(args.getString("topic"));
        header.setQueueId(args.containsKey("queueId") ? args.getIntValue("queueId") : -1);
        header.setMaxMsgNums(args.containsKey("max") ? args.getIntValue("max") : 32);
        header.setInvisibleTime(args.getLongValue("invisibleTime"));
        header.setPollTime(args.getLongValue("pollTime"));
        header.setBornTime(System.currentTimeMillis());
        header.setExpType("TAG");
        header.setExp("*");
        header.setOrder(args.getBooleanValue("order"));
        header.setAttemptId(args.getString("attemptId"));
        CompletableFuture<PopResult> future = new CompletableFuture<>();
        api().popMessageAsync("broker-a", broker(), header, args.getLongValue("pollTime") + TIMEOUT_MS, new PopCallback() {
            @Override
            public void onSuccess(PopResult result) {
                future.complete(result);
            }

            @Override
            public void onException(Throwable error) {
                future.completeExceptionally(error);
            }
        });
        PopResult result = future.get(args.getLongValue("pollTime") + 2 * TIMEOUT_MS, TimeUnit.MILLISECONDS);
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("status", result.getPopStatus().name());
        answer.put("messages", result.getMsgFoundList() == null ? List.of() : result.getMsgFoundList().stream().map(Pops::view).collect(Collectors.toList()));
        return answer;
    }

    private static Map<String, Object> view(MessageExt message) {
        Map<String, Object> view = Views.message(message);
        view.put("handle", message.getProperty(MessageConst.PROPERTY_POP_CK));
        return view;
    }

    private static final class Answer extends CompletableFuture<AckResult> implements AckCallback {
        @Override
        public void onSuccess(AckResult result) {
            complete(result);
        }

        @Override
        public void onException(Throwable error) {
            completeExceptionally(error);
        }
    }

    static Object ack(JSONObject args) throws Exception {
        String[] handle = ExtraInfoUtil.split(args.getString("handle"));
        AckMessageRequestHeader header = new AckMessageRequestHeader();
        header.setConsumerGroup(args.getString("group"));
        header.setTopic(ExtraInfoUtil.getRealTopic(handle, args.getString("topic"), args.getString("group")));
        header.setQueueId(ExtraInfoUtil.getQueueId(handle));
        header.setOffset(ExtraInfoUtil.getQueueOffset(handle));
        header.setExtraInfo(args.getString("handle"));
        Answer answer = new Answer();
        api().ackMessageAsync(broker(), TIMEOUT_MS, answer, header);
        return answer.get(2 * TIMEOUT_MS, TimeUnit.MILLISECONDS).getStatus().name();
    }

    static Object ackAll(JSONObject args) throws Exception {
        Answer answer = new Answer();
        api().batchAckMessageAsync(broker(), TIMEOUT_MS, answer, args.getString("topic"), args.getString("group"), args.getJSONArray("handles").toJavaList(String.class));
        return answer.get(2 * TIMEOUT_MS, TimeUnit.MILLISECONDS).getStatus().name();
    }

    /** The new handle, or the status when there is none. */
    static Object change(JSONObject args) throws Exception {
        String[] handle = ExtraInfoUtil.split(args.getString("handle"));
        ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
        header.setConsumerGroup(args.getString("group"));
        header.setTopic(ExtraInfoUtil.getRealTopic(handle, args.getString("topic"), args.getString("group")));
        header.setQueueId(ExtraInfoUtil.getQueueId(handle));
        header.setOffset(ExtraInfoUtil.getQueueOffset(handle));
        header.setExtraInfo(args.getString("handle"));
        header.setInvisibleTime(args.getLongValue("invisibleTime"));
        Answer answer = new Answer();
        api().changeInvisibleTimeAsync("broker-a", broker(), header, TIMEOUT_MS, answer);
        AckResult result = answer.get(2 * TIMEOUT_MS, TimeUnit.MILLISECONDS);
        return result.getExtraInfo() == null ? result.getStatus().name() : result.getExtraInfo();
    }
}
