package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageExt;

/** What the members of a group were given, in order. */
final class Received {
    private final List<Map<String, Object>> deliveries = new ArrayList<>();
    private final Map<String, Integer> times = new HashMap<>();

    /** Returns how often this body has been delivered now, the first time is 1. */
    synchronized int add(String member, MessageExt message) {
        Map<String, Object> view = new LinkedHashMap<>();
        view.put("member", member);
        view.putAll(Views.message(message));
        deliveries.add(view);
        return times.merge(String.valueOf(view.get("body")), 1, Integer::sum);
    }

    synchronized int deliveries() {
        return deliveries.size();
    }

    synchronized int distinct() {
        return times.size();
    }

    synchronized List<Map<String, Object>> list() {
        return new ArrayList<>(deliveries);
    }

    synchronized int ofMember(String member) {
        return (int) deliveries.stream().filter((delivery) -> delivery.get("member").equals(member)).count();
    }
}
