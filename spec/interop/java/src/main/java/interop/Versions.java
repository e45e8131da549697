package interop;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/** What 4.9 and 5.x have under different names. */
final class Versions {
    private Versions() {
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static void setMessageModel(DefaultMQPushConsumer consumer, String model) throws Exception {
        for (Method method : DefaultMQPushConsumer.class.getMethods()) {
            if (method.getName().equals("setMessageModel")) method.invoke(consumer, Enum.valueOf((Class<Enum>) method.getParameterTypes()[0], model));
        }
    }

    private static Class<?> compressionType() {
        try {
            return Class.forName("org.apache.rocketmq.common.compression.CompressionType");
        } catch (ClassNotFoundException before5) {
            return null;
        }
    }

    static List<Object> compressionTypes() {
        Class<?> type = compressionType();
        return type == null || !choosesCompression() ? Collections.singletonList("default") : Arrays.asList(type.getEnumConstants());
    }

    private static boolean choosesCompression() {
        return Arrays.stream(DefaultMQProducer.class.getMethods()).anyMatch((method) -> method.getName().equals("setCompressType"));
    }

    static void setCompressionType(DefaultMQProducer producer, Object type) throws Exception {
        if (choosesCompression()) DefaultMQProducer.class.getMethod("setCompressType", compressionType()).invoke(producer, type);
    }

    private static Class<?> body(String name) throws ClassNotFoundException {
        try {
            return Class.forName("org.apache.rocketmq.remoting.protocol.body." + name);
        } catch (ClassNotFoundException before5) {
            return Class.forName("org.apache.rocketmq.common.protocol.body." + name);
        }
    }

    private static Object lockBody(String type, String group, String clientId, Set<MessageQueue> queues) throws Exception {
        Object body = body(type).getConstructor().newInstance();
        body.getClass().getMethod("setConsumerGroup", String.class).invoke(body, group);
        body.getClass().getMethod("setClientId", String.class).invoke(body, clientId);
        body.getClass().getMethod("setMqSet", Set.class).invoke(body, queues);
        return body;
    }

    /** Asks for the locks of these queues in a client's name; returns those that it holds now. */
    @SuppressWarnings("unchecked")
    static Set<MessageQueue> lock(MQClientAPIImpl api, String broker, String group, String clientId, Set<MessageQueue> queues) throws Exception {
        Object body = lockBody("LockBatchRequestBody", group, clientId, queues);
        return (Set<MessageQueue>) MQClientAPIImpl.class.getMethod("lockBatchMQ", String.class, body.getClass(), long.class).invoke(api, broker, body, 5000L);
    }

    static void unlock(MQClientAPIImpl api, String broker, String group, String clientId, Set<MessageQueue> queues) throws Exception {
        Object body = lockBody("UnlockBatchRequestBody", group, clientId, queues);
        MQClientAPIImpl.class.getMethod("unlockBatchMQ", String.class, body.getClass(), long.class, boolean.class).invoke(api, broker, body, 5000L, false);
    }
}
