package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that ask for messages themselves. */
final class PullConsumers {
    private PullConsumers() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("pull.queues", PullConsumers::queues);
        snippets.put("pull.waits", PullConsumers::waits);
        snippets.put("pull.outside", PullConsumers::outside);
        snippets.put("pull.progress", PullConsumers::progress);
        snippets.put("lite.subscribe", PullConsumers::subscribe);
        snippets.put("lite.assign", PullConsumers::assign);
    }

    private static Map<String, Object> view(PullResult result) {
        Map<String, Object> view = new LinkedHashMap<>();
        view.put("status", result.getPullStatus().name());
        view.put("next", result.getNextBeginOffset());
        view.put("min", result.getMinOffset());
        view.put("max", result.getMaxOffset());
        List<MessageExt> found = result.getMsgFoundList() == null ? List.of() : result.getMsgFoundList();
        view.put("messages", found.stream().map(Views::message).collect(Collectors.toList()));
        return view;
    }

    /** Goes through the topic queue by queue, up to 32 at a time, with the client's own note of how far it is. */
    static Object queues(JSONObject args) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer(args.getString("group"));
        String tags = args.getString("tags") == null ? "*" : args.getString("tags");
        try {
            List<Object> pulls = new ArrayList<>();
            for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(args.getString("topic"))) {
                long offset = consumer.minOffset(queue);
                long max = consumer.maxOffset(queue);
                while (offset < max) {
                    PullResult result = consumer.pull(queue, tags, offset, 32);
                    Map<String, Object> view = view(result);
                    view.put("queueId", queue.getQueueId());
                    pulls.add(view);
                    offset = result.getNextBeginOffset();
                }
            }
            return pulls;
        } finally {
            consumer.shutdown();
        }
    }

    /** Pulls at the end of an empty queue; a message sent meanwhile ends the wait. */
    static Object waits(JSONObject args) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer(args.getString("group"));
        try {
            MessageQueue queue = consumer.fetchSubscribeMessageQueues(args.getString("topic")).iterator().next();
            CompletableFuture<PullResult> answer = new CompletableFuture<>();
            consumer.pullBlockIfNotFound(queue, "*", consumer.maxOffset(queue), 32, new PullCallback() {
                @Override
                public void onSuccess(PullResult result) {
                    answer.complete(result);
                }

                @Override
                public void onException(Throwable error) {
                    answer.completeExceptionally(error);
                }
            });
            // asked on the same connection after the pull: when it is answered, the pull is waiting
            consumer.maxOffset(queue);
            boolean waited = !answer.isDone();
            Clients.producer().send(Sends.text(args.getString("topic"), "TagA", null, "wakes"), queue);
            Map<String, Object> view = view(answer.get(10, TimeUnit.SECONDS));
            view.put("waited", waited);
            return view;
        } finally {
            consumer.shutdown();
        }
    }

    /** Pulls at the end and beyond it. */
    static Object outside(JSONObject args) throws Exception {
        DefaultMQPullConsumer consumer = Clients.pullConsumer(args.getString("group"));
        try {
            MessageQueue queue = consumer.fetchSubscribeMessageQueues(args.getString("topic")).iterator().next();
            long max = consumer.maxOffset(queue);
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("max", max);
            answer.put("atEnd", view(consumer.pull(queue, "*", max, 32)));
            answer.put("beyond", view(consumer.pull(queue, "*", max + 100, 32)));
            answer.put("offsetAtZero", consumer.searchOffset(queue, 0));
            answer.put("offsetInFuture", consumer.searchOffset(queue, System.currentTimeMillis() + 3_600_000));
            answer.put("earliest", consumer.earliestMsgStoreTime(queue));
            return answer;
        } finally {
            consumer.shutdown();
        }
    }

    /** Stores a position for every queue and reads them back as another client. */
    static Object progress(JSONObject args) throws Exception {
        Map<String, Object> answer = new LinkedHashMap<>();
        DefaultMQPullConsumer writer = Clients.pullConsumer(args.getString("group"));
        Set<MessageQueue> queues = writer.fetchSubscribeMessageQueues(args.getString("topic"));
        Map<String, Object> before = new LinkedHashMap<>();
        for (MessageQueue queue : queues) before.put(Views.queue(queue), writer.fetchConsumeOffset(queue, true));
        // a group comes into being by its first pull, and only a known group has a position
        writer.pull(queues.iterator().next(), "*", 0, 1);
        for (MessageQueue queue : queues) writer.getOffsetStore().updateConsumeOffsetToBroker(queue, queue.getQueueId() + 1, false);
        writer.shutdown();
        DefaultMQPullConsumer reader = Clients.pullConsumer(args.getString("group"));
        Map<String, Object> after = new LinkedHashMap<>();
        for (MessageQueue queue : queues) after.put(Views.queue(queue), reader.fetchConsumeOffset(queue, true));
        reader.shutdown();
        answer.put("before", before);
        answer.put("after", after);
        return answer;
    }

    /** Subscribes, polls half of the messages and commits; a second client of the group goes on from there. */
    static Object subscribe(JSONObject args) throws Exception {
        List<Object> rounds = new ArrayList<>();
        int count = args.getIntValue("count");
        for (int round = 0; round < 2; round++) {
            DefaultLitePullConsumer consumer = Clients.ownInstance(new DefaultLitePullConsumer(args.getString("group")));
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            consumer.setAutoCommit(false);
            consumer.setPullBatchSize(4);
            consumer.subscribe(args.getString("topic"), args.getString("tags"));
            consumer.start();
            try {
                List<Object> polled = new ArrayList<>();
                int wanted = round == 0 ? count / 2 : count - ((List<?>) rounds.get(0)).size();
                Until.holds("round " + round + " polled " + wanted, () -> {
                    for (MessageExt message : consumer.poll(200)) polled.add(Views.message(message));
                    return polled.size() >= wanted;
                });
                consumer.commitSync();
                for (MessageQueue queue : consumer.fetchMessageQueues(args.getString("topic"))) consumer.committed(queue);
                rounds.add(polled);
            } finally {
                consumer.shutdown();
            }
        }
        return rounds;
    }

    /** Takes all queues without a group, moves to an offset, to the beginning and to a time. */
    static Object assign(JSONObject args) throws Exception {
        DefaultLitePullConsumer consumer = Clients.ownInstance(new DefaultLitePullConsumer(args.getString("group")));
        consumer.setAutoCommit(false);
        consumer.start();
        try {
            Collection<MessageQueue> queues = consumer.fetchMessageQueues(args.getString("topic"));
            consumer.assign(queues);
            MessageQueue queue = queues.iterator().next();
            Map<String, Object> answer = new LinkedHashMap<>();
            consumer.seekToBegin(queue);
            answer.put("begin", poll(consumer, args.getIntValue("count")));
            consumer.seek(queue, args.getLongValue("offset"));
            answer.put("offset", poll(consumer, args.getIntValue("count") - args.getIntValue("offset")));
            answer.put("searched", consumer.offsetForTimestamp(queue, 0L));
            return answer;
        } finally {
            consumer.shutdown();
        }
    }

    private static List<Object> poll(DefaultLitePullConsumer consumer, int count) throws Exception {
        List<Object> polled = new ArrayList<>();
        Until.holds("polled " + count, () -> {
            for (MessageExt message : consumer.poll(200)) polled.add(Views.message(message));
            return polled.size() >= count;
        });
        return polled;
    }
}
