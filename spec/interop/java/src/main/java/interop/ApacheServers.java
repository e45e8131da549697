package interop;

/** Apache's own name server and broker in one JVM: `--namesrv FILE` and/or `--broker FILE`, each a properties file as their scripts take it. */
public final class ApacheServers {
    private ApacheServers() {
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 2) {
            String startup = args[i].equals("--namesrv") ? "org.apache.rocketmq.namesrv.NamesrvStartup" : "org.apache.rocketmq.broker.BrokerStartup";
            Class.forName(startup).getMethod("main", String[].class).invoke(null, (Object) new String[] {"-c", args[i + 1]});
        }
    }
}
