package interop;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Standard output as the tools see it: kept while one of them runs, dropped otherwise. */
final class Console {
    private static final ByteArrayOutputStream KEPT = new ByteArrayOutputStream();
    private static boolean keeping;

    private Console() {
    }

    static PrintStream stream() {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int b) {
                synchronized (KEPT) {
                    if (keeping) KEPT.write(b);
                }
            }

            @Override
            public void write(byte[] bytes, int from, int length) {
                synchronized (KEPT) {
                    if (keeping) KEPT.write(bytes, from, length);
                }
            }
        }, true, StandardCharsets.UTF_8);
    }

    static void begin() {
        synchronized (KEPT) {
            KEPT.reset();
            keeping = true;
        }
    }

    static String end() {
        synchronized (KEPT) {
            keeping = false;
            return KEPT.toString(StandardCharsets.UTF_8);
        }
    }
}
