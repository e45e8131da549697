package interop;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Runs snippets on request, many at a time in one JVM. A line in: {"id", "call", arguments...}. A line out: {"id", "value"} or
 * {"id", "error": {"type", "code", "message"}}. The end of standard input ends the process.
 */
public final class Driver {
    private final Map<String, Snippet> snippets = new TreeMap<>();
    private final PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private final ExecutorService threads = Executors.newCachedThreadPool();

    public static void main(String[] args) throws Exception {
        Clients.namesrv = args[0];
        System.setProperty("rocketmq.namesrv.addr", args[0]);
        Driver driver = new Driver();
        System.setOut(Console.stream());
        System.setErr(Console.stream());
        Sends.register(driver.snippets);
        PushConsumers.register(driver.snippets);
        OrderlyConsumers.register(driver.snippets);
        PullConsumers.register(driver.snippets);
        Groups.register(driver.snippets);
        Admin.register(driver.snippets);
        Queries.register(driver.snippets);
        Requests.register(driver.snippets);
        Traffic.register(driver.snippets);
        Load.register(driver.snippets);
        TimedMessages.register(driver.snippets);
        Transactions.register(driver.snippets);
        driver.registerPops();
        driver.serve();
        System.exit(0);
    }

    /** Not there where the client has no pop. */
    private void registerPops() throws Exception {
        boolean canPop = true;
        try {
            Class.forName("interop.Pops").getDeclaredMethod("register", Map.class).invoke(null, snippets);
        } catch (ClassNotFoundException before5) {
            canPop = false;
        }
        boolean answer = canPop;
        snippets.put("pop.isThere", (args) -> answer);
    }

    private void serve() throws Exception {
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JSONObject request = JSON.parseObject(line);
            threads.execute(() -> answer(request));
        }
    }

    private void answer(JSONObject request) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", request.get("id"));
        try {
            Snippet snippet = snippets.get(request.getString("call"));
            if (snippet == null) throw new IllegalArgumentException("no snippet is called " + request.getString("call"));
            answer.put("value", snippet.run(request));
        } catch (Throwable error) {
            answer.put("error", Views.error(error));
        }
        String line = JSON.toJSONString(answer, SerializerFeature.WriteMapNullValue, SerializerFeature.DisableCircularReferenceDetect);
        synchronized (answers) {
            answers.println(line);
        }
    }
}
