package conformance;

import io.vertx.core.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** {@code Main DRIVER}: {service, lane, dsn} on stdin, one JSON line per check on stdout. */
public final class Main {
  private static final int SECONDS = 90; // for one check; what takes longer hangs

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    var asked = new JsonObject(new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
    var dsn = asked.getString("dsn");
    var driver =
        switch (arguments[0]) {
          case "pgjdbc" -> new PgJdbc(dsn);
          case "vertx_pg" -> new VertxPg(dsn, false);
          case "vertx_pg_proxy" -> new VertxPg(dsn, true);
          default -> throw new IllegalArgumentException("no driver " + arguments[0]);
        };
    var threads = Executors.newCachedThreadPool();
    var checks = new Checks(driver, asked.getString("service"), asked.getString("lane"), threads);
    for (var check : checks.all().entrySet()) {
      var ended = ending(threads, check.getValue());
      var line = new JsonObject().put("check", check.getKey());
      System.out.println(line.put("outcome", ended[0]).put("detail", ended[1]).encode());
    }
    Runtime.getRuntime().halt(0); // threads of checks that hang would keep the process
  }

  private static String[] ending(ExecutorService threads, Callable<Void> check) throws Exception {
    try {
      threads.submit(check).get(SECONDS, TimeUnit.SECONDS);
      return new String[] {"works", ""};
    } catch (TimeoutException late) {
      return new String[] {"hangs", ""};
    } catch (ExecutionException ended) {
      var cause = ended.getCause();
      if (cause instanceof Outcome.Breaks) {
        return new String[] {"breaks", cause.getMessage()};
      }
      if (cause instanceof Outcome.NotOffered) {
        return new String[] {"n/a", cause.getMessage()};
      }
      return new String[] {"failed", cause.toString()};
    }
  }
}
