package interop;

import com.alibaba.fastjson.JSONObject;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/** The command line tool as it is, and the admin calls of an ordinary client. */
final class Admin {
    private Admin() {
    }

    static void register(Map<String, Snippet> snippets) {
        snippets.put("mqadmin", Admin::mqadmin);
        snippets.put("admin.view", Admin::view);
        snippets.put("admin.offsets", Admin::offsets);
        snippets.put("admin.status", Admin::status);
        snippets.put("admin.cloneOffsets", (args) -> {
            Clients.admin().cloneGroupOffset(args.getString("from"), args.getString("group"), args.getString("topic"), true);
            return null;
        });
    }

    /** Runs one command; answers with all that it printed. One at a time: there is one standard output. */
    static synchronized Object mqadmin(JSONObject args) throws Exception {
        forgetCommands();
        Console.begin();
        try {
            MQAdminStartup.main0(args.getJSONArray("args").toArray(new String[0]), null);
        } finally {
            System.out.flush();
            System.err.flush();
        }
        return Console.end();
    }

    /** The tool keeps its command objects, and some of them serve only once: each call begins as its process would. */
    private static void forgetCommands() throws Exception {
        for (Field field : MQAdminStartup.class.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) || !List.class.isAssignableFrom(field.getType())) continue;
            field.setAccessible(true);
            ((List<?>) field.get(null)).clear();
        }
    }

    static Object view(JSONObject args) throws Exception {
        MessageExt message = Clients.admin().viewMessage(args.getString("topic"), args.getString("msgId"));
        return Views.message(message);
    }

    /** How far the group is in each queue of the topic, from the broker, when it is at least so far in all together: clients commit one-way. */
    static Object offsets(JSONObject args) throws Exception {
        Map<String, Long> offsets = new LinkedHashMap<>();
        Until.holds("the broker knows of the progress", () -> {
            Clients.admin().examineConsumeStats(args.getString("group"), args.getString("topic")).getOffsetTable()
                .forEach((queue, wrapper) -> offsets.put(Views.queue(queue), wrapper.getConsumerOffset()));
            return offsets.values().stream().mapToLong(Long::longValue).sum() >= args.getIntValue("atLeast");
        });
        return offsets;
    }

    /** How far each member of a group says it is, once they are so far in all together. */
    static Object status(JSONObject args) throws Exception {
        Map<String, Map<String, Long>> members = new LinkedHashMap<>();
        Until.holds("the members have come so far", () -> {
            members.clear();
            Clients.admin().getConsumeStatus(args.getString("topic"), args.getString("group"), "").forEach((clientId, offsets) -> {
                Map<String, Long> its = new java.util.TreeMap<>();
                offsets.forEach((queue, offset) -> its.put(Views.queue(queue), offset));
                members.put(clientId, its);
            });
            return members.values().stream().flatMap((its) -> its.values().stream()).mapToLong(Long::longValue).sum() >= args.getIntValue("sum");
        });
        return members;
    }
}
