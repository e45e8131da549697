package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Transactional messages: the local transaction decides, or does not know, and is asked later. */
final class Transactions {
    private static final Map<String, Transactions> RUNS = new ConcurrentHashMap<>();
    private final TransactionMQProducer producer;
    /** Looked at while more come. */
    private final List<MessageExt> checked = new CopyOnWriteArrayList<>();

    static void register(Map<String, Snippet> snippets) {
        snippets.put("transactions.begin", Transactions::begin);
        snippets.put("transactions.send", (args) -> RUNS.get(args.getString("group")).send(args));
        snippets.put("transactions.checked", (args) -> RUNS.get(args.getString("group")).waitForChecks(args.getIntValue("count")));
        snippets.put("transactions.end", (args) -> {
            RUNS.remove(args.getString("group")).producer.shutdown();
            return null;
        });
    }

    /** Bodies are "number/what the local transaction says/what is answered when asked". */
    private static LocalTransactionState state(Message message, int part) {
        return LocalTransactionState.valueOf(new String(message.getBody()).split("/")[part]);
    }

    private Transactions(String group) throws Exception {
        producer = Clients.ownInstance(new TransactionMQProducer(group));
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
                return state(message, 1);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                checked.add(message);
                return state(message, 2);
            }
        });
        producer.start();
    }

    static Object begin(JSONObject args) throws Exception {
        RUNS.put(args.getString("group"), new Transactions(args.getString("group")));
        return null;
    }

    /** Sends one message for each body; those that could not be sent are told by their error. */
    private Object send(JSONObject args) {
        List<Map<String, Object>> answers = new ArrayList<>();
        for (Object body : args.getJSONArray("bodies")) {
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("body", body);
            try {
                TransactionSendResult result = producer.sendMessageInTransaction(new Message(args.getString("topic"), "TagT", "key-" + body, ((String) body).getBytes()), null);
                answer.putAll(Views.sent(result));
                answer.put("state", result.getLocalTransactionState().name());
                answer.put("transactionId", result.getTransactionId());
            } catch (Exception error) {
                answer.put("error", error.toString());
            }
            answers.add(answer);
        }
        return answers;
    }

    /** The messages that were asked about, once they are so many. */
    private Object waitForChecks(int count) throws Exception {
        Until.holds(count + " transactions were asked about", () -> checked.stream().map(MessageExt::getTransactionId).distinct().count() >= count);
        return checked.stream().map((message) -> {
            Map<String, Object> view = Views.message(message);
            view.put("transactionId", message.getTransactionId());
            return view;
        }).collect(Collectors.toList());
    }
}
