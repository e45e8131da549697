package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.LinkedHashMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;

/** Push consumers that take each queue in order, by one thread of one member at a time. */
final class OrderlyConsumers {
    private OrderlyConsumers() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("orderly.all", OrderlyConsumers::all);
    }

    /** Some members; bodies in `suspend` fail the first time and hold up their queue. Tells also of queues two threads were in at once. */
    static Object all(JSONObject args) throws Exception {
        Received received = new Received();
        Map<Integer, AtomicInteger> inside = new ConcurrentHashMap<>();
        AtomicInteger overlaps = new AtomicInteger();
        List<String> suspend = args.getJSONArray("suspend") == null ? List.of() : args.getJSONArray("suspend").toJavaList(String.class);
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        for (int i = 0; i < Math.max(1, args.getIntValue("members")); i++) {
            String member = "member-" + i;
            DefaultMQPushConsumer consumer = Clients.pushConsumer(args.getString("group"));
            consumer.subscribe(args.getString("topic"), "*");
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                MessageExt message = messages.get(0);
                AtomicInteger threads = inside.computeIfAbsent(message.getQueueId(), (id) -> new AtomicInteger());
                if (threads.incrementAndGet() > 1) overlaps.incrementAndGet();
                try {
                    int times = received.add(member, message);
                    if (times > 1 || !suspend.contains(new String(message.getBody()))) return ConsumeOrderlyStatus.SUCCESS;
                    context.setSuspendCurrentQueueTimeMillis(100);
                    return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                } finally {
                    threads.decrementAndGet();
                }
            });
            consumer.start();
            members.add(consumer);
        }
        try {
            Until.holds("all came", () -> received.distinct() >= args.getIntValue("count"));
        } finally {
            for (DefaultMQPushConsumer member : members) member.shutdown();
        }
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("received", received.list());
        answer.put("overlaps", overlaps.get());
        return answer;
    }
}
