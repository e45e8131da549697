package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Groups whose members come and go: started, looked at and ended by separate calls. */
final class Groups {
    private static final Map<String, DefaultMQPushConsumer> MEMBERS = new ConcurrentHashMap<>();
    private static final Map<String, Received> RECEIVED = new ConcurrentHashMap<>();

    private Groups() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("cluster.ready", (args) -> {
            masters();
            Until.holds("topics can be made by sending", () -> maybeRoute("TBW102"));
            return null;
        });
        snippets.put("group.join", Groups::join);
        snippets.put("group.leave", Groups::leave);
        snippets.put("group.pause", (args) -> {
            member(args).suspend();
            return null;
        });
        snippets.put("group.resume", (args) -> {
            member(args).resume();
            return null;
        });
        snippets.put("group.balanced", Groups::balanced);
        snippets.put("group.received", Groups::received);
    }

    /** Addresses of all masters, from the name server. */
    static List<String> masters() throws Exception {
        List<String> masters = new ArrayList<>();
        Until.holds("a broker is registered", () -> {
            masters.clear();
            Clients.admin().examineBrokerClusterInfo().getBrokerAddrTable().values().forEach((broker) -> {
                String master = broker.getBrokerAddrs().get(0L);
                if (master != null) masters.add(master);
            });
            return !masters.isEmpty();
        });
        return masters;
    }

    static boolean maybeRoute(String topic) {
        try {
            return Clients.admin().examineTopicRouteInfo(topic) != null;
        } catch (Exception notThere) {
            return false;
        }
    }

    static Set<MessageQueue> assigned(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter((queue) -> queue.getTopic().equals(topic)).collect(Collectors.toSet());
    }

    static Object join(JSONObject args) throws Exception {
        String group = args.getString("group");
        String member = args.getString("member");
        Received received = RECEIVED.computeIfAbsent(group, (name) -> new Received());
        DefaultMQPushConsumer consumer = Clients.pushConsumer(group);
        consumer.subscribe(args.getString("topic"), args.getString("tags") == null ? "*" : args.getString("tags"));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) received.add(member, message);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        MEMBERS.put(group + "/" + member, consumer);
        return consumer.buildMQClientId();
    }

    private static DefaultMQPushConsumer member(JSONObject args) {
        return MEMBERS.get(args.getString("group") + "/" + args.getString("member"));
    }

    static Object leave(JSONObject args) {
        DefaultMQPushConsumer consumer = MEMBERS.remove(args.getString("group") + "/" + args.getString("member"));
        consumer.shutdown();
        return null;
    }

    static Object balanced(JSONObject args) throws Exception {
        String prefix = args.getString("group") + "/";
        return sharedOut(args.getString("topic"), args.getIntValue("queues"), MEMBERS.entrySet().stream()
            .filter((entry) -> entry.getKey().startsWith(prefix))
            .collect(Collectors.toMap((entry) -> entry.getKey().substring(prefix.length()), Map.Entry::getValue, (a, b) -> a, LinkedHashMap::new)));
    }

    /** Waits until every queue has exactly one owner and no member is more than one ahead of another; tells who owns what. */
    static Map<String, Set<String>> sharedOut(String topic, int queues, Map<String, DefaultMQPushConsumer> members) throws Exception {
        Map<String, Set<String>> owned = new LinkedHashMap<>();
        Until.holds("the queues of " + topic + " are shared out", () -> {
            owned.clear();
            Set<String> all = new HashSet<>();
            int total = 0;
            int least = Integer.MAX_VALUE;
            int most = 0;
            for (Map.Entry<String, DefaultMQPushConsumer> member : members.entrySet()) {
                Set<String> its = assigned(member.getValue(), topic).stream().map(Views::queue).collect(Collectors.toCollection(TreeSet::new));
                owned.put(member.getKey(), its);
                all.addAll(its);
                total += its.size();
                least = Math.min(least, its.size());
                most = Math.max(most, its.size());
            }
            return all.size() == queues && total == all.size() && most - least <= 1;
        });
        return owned;
    }

    /** Waits for so many different messages; a count of 0 waits for none. */
    static Object received(JSONObject args) throws Exception {
        Received received = RECEIVED.get(args.getString("group"));
        int count = args.getIntValue("count");
        int deliveries = args.getIntValue("deliveries");
        Until.holds(args.getString("group") + " has " + count + " messages", () -> received.distinct() >= count && received.deliveries() >= deliveries);
        return received.list();
    }
}
