package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

/** As many threads as asked for send through one producer, each waiting for its answer: how Apache's own benchmark loads a broker. */
final class Load {
    private Load() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("load.send", Load::send);
    }

    static Object send(JSONObject args) throws Exception {
        String topic = args.getString("topic");
        byte[] body = new byte[args.getIntValue("bytes")];
        Arrays.fill(body, (byte) 'h');
        DefaultMQProducer producer = Clients.ownInstance(new DefaultMQProducer("interop-load"));
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        producer.send(new Message(topic, body), 10_000);
        LongAdder sent = new LongAdder();
        LongAdder failed = new LongAdder();
        LongAdder totalNs = new LongAdder();
        AtomicLong slowestNs = new AtomicLong();
        int threads = args.getIntValue("threads");
        CountDownLatch ended = new CountDownLatch(threads);
        long begin = System.nanoTime();
        long end = begin + args.getLongValue("ms") * 1_000_000;
        for (int i = 0; i < threads; i++) {
            new Thread(() -> {
                for (long now = System.nanoTime(); now < end; now = System.nanoTime()) {
                    try {
                        boolean stored = producer.send(new Message(topic, body)).getSendStatus() == SendStatus.SEND_OK;
                        (stored ? sent : failed).increment();
                    } catch (Exception failure) {
                        failed.increment();
                    }
                    long took = System.nanoTime() - now;
                    totalNs.add(took);
                    slowestNs.accumulateAndGet(took, Math::max);
                }
                ended.countDown();
            }).start();
        }
        ended.await();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("sent", sent.sum());
        answer.put("failed", failed.sum());
        answer.put("ms", (System.nanoTime() - begin) / 1e6);
        answer.put("meanMs", totalNs.sum() / 1e6 / Math.max(1, sent.sum() + failed.sum()));
        answer.put("slowestMs", slowestNs.get() / 1e6);
        producer.shutdown();
        return answer;
    }
}
