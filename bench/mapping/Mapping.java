import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.SplittableRandom;

/**
 * What files mapped into memory give, measured where they are to be had: each line is a name, the bytes of one operation and
 * its mean time in ns. Arguments: two files of the same size that are not in the page cache, and a folder.
 */
public final class Mapping {
  static final int PIECE = 256 * 1024;
  static final int MESSAGE = 1024;
  static long sink;

  interface Step { void at(int position) throws Exception; }

  public static void main(String[] args) throws Exception {
    byte[] into = new byte[PIECE];
    ByteBuffer direct = ByteBuffer.allocateDirect(PIECE);
    try (var one = new RandomAccessFile(args[0], "r"); var other = new RandomAccessFile(args[1], "r")) {
      int size = (int) one.length();
      var channel = one.getChannel();
      MappedByteBuffer mapped = other.getChannel().map(MapMode.READ_ONLY, 0, size);
      Step readPiece = at -> { direct.clear(); channel.read(direct, at); };
      Step copyPiece = at -> mapped.get(at, into, 0, PIECE);
      measure("read a piece from the disk", PIECE, size, 1, readPiece);
      measure("mapped: copy a piece from the disk", PIECE, size, 1, copyPiece);
      measure("read a piece from the page cache", PIECE, size, 8, readPiece);
      measure("mapped: copy a piece from the page cache", PIECE, size, 8, copyPiece);
      measure("read a message from the page cache", MESSAGE, size, 2, at -> { direct.clear().limit(MESSAGE); channel.read(direct, at); });
      measure("mapped: look at a message in the page cache", MESSAGE, size, 2, at -> { for (int i = 0; i < MESSAGE; i += 8) sink += mapped.getLong(at + i); });
    }
    for (int bytes : new int[] {4096, PIECE}) {
      int count = bytes == PIECE ? 200 : 1000;
      ByteBuffer record = ByteBuffer.allocateDirect(bytes);
      try (var file = new RandomAccessFile(Path.of(args[2], "written" + bytes).toFile(), "rw")) {
        inOrder("write and force", bytes, count, at -> { file.getChannel().write(record.clear(), at); file.getChannel().force(false); });
      }
      try (var file = new RandomAccessFile(Path.of(args[2], "mapped" + bytes).toFile(), "rw")) {
        MappedByteBuffer mapped = file.getChannel().map(MapMode.READ_WRITE, 0, (long) bytes * count);
        inOrder("mapped: put and force", bytes, count, at -> { mapped.put(at, record.clear(), 0, bytes); mapped.force(at, bytes); });
      }
    }
    try (var file = new RandomAccessFile(Path.of(args[2], "cached").toFile(), "rw")) {
      MappedByteBuffer mapped = file.getChannel().map(MapMode.READ_WRITE, 0, 256 << 20);
      inOrder("mapped: put into a new file, no flush", MESSAGE, 256 << 10, at -> mapped.put(at, into, 0, MESSAGE));
    }
  }

  static void measure(String name, int bytes, int size, int rounds, Step step) throws Exception {
    int[] order = new SplittableRandom(1).ints((long) size / bytes, 0, size / bytes).toArray();
    if (rounds == 1) for (int i = 0; i < order.length; i++) order[i] = (int) ((i * 7919L) % order.length);
    long start = System.nanoTime();
    for (int round = 0; round < rounds; round++) for (int piece : order) step.at(piece * bytes);
    report(name, bytes, System.nanoTime() - start, rounds * order.length);
  }

  static void inOrder(String name, int bytes, int count, Step step) throws Exception {
    long start = System.nanoTime();
    for (int i = 0; i < count; i++) step.at(i * bytes);
    report(name, bytes, System.nanoTime() - start, count);
  }

  static void report(String name, int bytes, long ns, int count) {
    System.out.println(name + "\t" + bytes + "\t" + ns / count);
  }
}
