package interop;

import java.util.concurrent.Callable;

/** Waits for a condition; the interval between looks is all that is fixed. */
final class Until {
    private static final long LOOK_EVERY_MS = 20;
    private static final long LIMIT_MS = Long.getLong("interop.limitMs", 60_000);

    private Until() {
    }

    static void holds(String what, Callable<Boolean> condition) throws Exception {
        if (!maybeHolds(condition, LIMIT_MS)) throw new IllegalStateException("waited " + LIMIT_MS + " ms in vain until " + what);
    }

    /** Returns whether the condition came to hold within the time. */
    static boolean maybeHolds(Callable<Boolean> condition, long limitMs) throws Exception {
        long end = System.nanoTime() + limitMs * 1_000_000;
        while (!condition.call()) {
            if (System.nanoTime() > end) return false;
            Thread.sleep(LOOK_EVERY_MS);
        }
        return true;
    }
}
