package interop;

import java.util.concurrent.Callable;

/** Waits for a condition; the interval between looks is all that is fixed. */
final class Until {
    private static final long LOOK_EVERY_MS = 20;
    private static final long LIMIT_MS = 60_000;

    private Until() {
    }

    static void holds(String what, Callable<Boolean> condition) throws Exception {
        if (!maybeHolds(condition, LIMIT_MS)) throw new IllegalStateException("waited " + LIMIT_MS + " ms in vain until " + what);
    }

    /** Returns whether the condition came to hold; time in which this process stood still does not count. */
    static boolean maybeHolds(Callable<Boolean> condition, long limitMs) throws Exception {
        for (long looks = limitMs / LOOK_EVERY_MS; !condition.call(); looks--) {
            if (looks == 0) return false;
            Thread.sleep(LOOK_EVERY_MS);
        }
        return true;
    }
}
