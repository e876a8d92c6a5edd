package conformance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The checks that every driver goes through; what is particular to a driver is behind Driver. */
record Checks(Driver driver, String service, String lane, ExecutorService threads) {
  private static final int CLIENTS = 20;
  private static final int ROUNDS = 25;
  private static final int POOL = 2; // backends of the lane's entry; the runner's stack says the same

  /** Lane → seconds until a notification counts as lost; only where none can come is the wait always this long. */
  private static final Map<String, Integer> PATIENCE = Map.of("transaction", 2, "session", 20);

  /** A step of a check. */
  private interface Step {
    void run() throws Exception;
  }

  /** Name → check, in order. */
  Map<String, Callable<Void>> all() {
    var steps = new LinkedHashMap<String, Step>();
    steps.put("connect", this::connect);
    if (lane.equals("transaction")) {
      steps.put("mixed_2000_over_20", this::mixed);
      steps.put("prepared_6_each", this::prepared);
      steps.put("pipeline_or_batch", this::batch);
      steps.put("copy", this::copy);
      steps.put("transaction_error_retry", this::transaction);
      steps.put("cancel", this::cancel);
      steps.put("types", this::types);
    }
    steps.put("listen", this::listen);
    var key = "(hashtext('" + service + "'), hashtext('" + lane + "'))";
    var lock = "SELECT pg_advisory_lock" + key + "::text";
    var unlock = "SELECT pg_advisory_unlock" + key;
    steps.put("advisory_lock", () -> elsewhere(lock, unlock, true, "cannot be unlocked"));
    var table = "CREATE TEMPORARY TABLE scratch (id int)";
    var count = "SELECT count(*) FROM scratch";
    steps.put("temp_table", () -> elsewhere(table, count, 0L, "another value"));
    var cursor = "DECLARE kept CURSOR WITH HOLD FOR SELECT 7";
    steps.put("with_hold", () -> elsewhere(cursor, "FETCH 1 FROM kept", 7L, "another value"));
    var set = "SET work_mem = '7MB'";
    steps.put("set", () -> elsewhere(set, "SHOW work_mem", "7MB", "the setting is not there"));
    var prepare = "PREPARE by_hand AS SELECT 7";
    steps.put("sql_prepare", () -> elsewhere(prepare, "EXECUTE by_hand", 7L, "another value"));
    var checks = new LinkedHashMap<String, Callable<Void>>();
    steps.forEach((name, step) -> checks.put(name, callable(step)));
    return checks;
  }

  private static Callable<Void> callable(Step step) {
    return () -> {
      step.run();
      return null;
    };
  }

  private static void expect(Object found, Object wanted, String what) {
    if (!Objects.deepEquals(found, wanted)) {
      throw new IllegalStateException(what + ": " + found + " instead of " + wanted);
    }
  }

  private List<Session> open(int count) throws Exception {
    var sessions = new ArrayList<Session>();
    for (var number = 0; number < count; number++) {
      sessions.add(driver.open());
    }
    return sessions;
  }

  private static void close(List<Session> sessions) throws Exception {
    for (var session : sessions) {
      session.close();
    }
  }

  /** Every task at once; the first error is thrown, CancellationException for what has not ended in a minute. */
  private <T> List<T> together(List<Callable<T>> tasks) throws Exception {
    var answers = new ArrayList<T>();
    for (Future<T> future : threads.invokeAll(tasks, 60, TimeUnit.SECONDS)) {
      answers.add(result(future));
    }
    return answers;
  }

  private static <T> T result(Future<T> future) throws Exception {
    try {
      return future.get();
    } catch (ExecutionException ended) {
      throw ended.getCause() instanceof Exception cause ? cause : ended;
    }
  }

  private void connect() throws Exception {
    var session = driver.open();
    var row = session.one("SELECT current_user::text, current_setting('application_name')");
    expect(row, List.of(service, service), "role and application_name");
    session.close();
  }

  private void mixed() throws Exception {
    var sessions = open(CLIENTS);
    var tasks = new ArrayList<Callable<Void>>();
    for (var client = 0; client < CLIENTS; client++) {
      var number = client;
      tasks.add(callable(() -> mixed(sessions.get(number), number)));
    }
    try {
      together(tasks);
      var row = sessions.get(0).one("SELECT count(*), count(DISTINCT client) FROM mixed");
      expect(row, List.of(CLIENTS * 13L, (long) CLIENTS), "rows and clients at the end");
    } catch (Exception error) {
      leave(sessions);
      throw driver.underConcurrency(error);
    }
    close(sessions);
  }

  /** Close what an error has left in any state, so that the next checks find the backends free. */
  private void leave(List<Session> sessions) throws InterruptedException {
    var closing = sessions.stream().map(session -> callable(session::close)).toList();
    threads.invokeAll(closing, 10, TimeUnit.SECONDS);
  }

  private static void mixed(Session session, int client) throws Exception {
    var kept = 0L;
    for (var round = 1; round <= ROUNDS; round++) {
      var note = "note " + client + "." + round;
      session.query("INSERT INTO mixed (client, round, note) VALUES ($1, $2, $3)", client, round, note);
      var update = "UPDATE mixed SET note = note || $1::text WHERE client = $2 AND round = $3";
      session.query(update, " changed", client, round);
      var row = session.one("SELECT note FROM mixed WHERE client = $1 AND round = $2", client, round);
      expect(row.get(0), note + " changed", "note");
      if (round % 2 == 0) {
        session.query("DELETE FROM mixed WHERE client = $1 AND round = $2", client, round);
      } else {
        kept++;
        var count = session.one("SELECT count(*) FROM mixed WHERE client = $1", client);
        expect(count.get(0), kept, "rows of this client");
      }
    }
  }

  private void prepared() throws Exception {
    var sessions = open(4 * POOL + 1); // odd: in step they change backends
    var tasks = new ArrayList<Callable<Set<Object>>>();
    for (var session : sessions) {
      tasks.add(
          () -> {
            var met = new HashSet<Object>();
            for (var value = 0; value < 8; value++) {
              var sql = "SELECT pg_backend_pid(), $1::int + 1 FROM pg_sleep(0.005)";
              var row = driver.prepared(session, sql, value);
              expect(row.get(1), value + 1L, "answer of the prepared statement");
              met.add(row.get(0));
            }
            return met;
          });
    }
    var shown = false;
    for (var round = 0; round < 10 && !shown; round++) { // the second backend may still be on its way
      shown = together(tasks).stream().anyMatch(met -> met.size() >= POOL);
    }
    if (!shown) {
      throw new IllegalStateException("no client has met a second backend, so this shows nothing");
    }
    // No parameters here and in running(): plain Vert.x would send them in a transaction of their own. The pattern
    // is in two pieces, so that it does not find itself.
    var sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%pg_sleep' || '(0.005)%'";
    if (sessions.get(0).one(sql).get(0).equals(0L)) {
      throw new IllegalStateException("the server knows no such prepared statement, so this shows nothing");
    }
    close(sessions);
  }

  private void batch() throws Exception {
    var session = driver.open();
    session.begin(); // so that plain Vert.x keeps its backend between a statement and its parameters
    driver.batch(session, IntStream.rangeClosed(1, 500).boxed().toList());
    session.commit();
    var row = session.one("SELECT count(*), sum(id) FROM batch");
    expect(row, List.of(500L, 125250L), "rows of the batch");
    session.close();
  }

  /** One client copies in, another copies the same rows out. */
  private void copy() throws Exception {
    var lines =
        IntStream.range(0, 1000)
            .mapToObj(number -> number + "\ttab\\there " + number + "\n")
            .collect(Collectors.joining());
    var sessions = open(2);
    driver.copyIn(sessions.get(0), lines);
    expect(driver.copyOut(sessions.get(1)), 1000L, "rows copied out");
    close(sessions);
  }

  private void transaction() throws Exception {
    var mine = driver.open();
    var other = driver.open();
    mine.begin();
    fails(mine, "INSERT INTO accounts (id, balance) VALUES (1, 0)", "23505");
    fails(mine, "SELECT 1", "25P02");
    mine.rollback();
    var change = "UPDATE accounts SET balance = balance + 10 WHERE id = 1";
    for (var attempt : List.of(1, 2)) {
      mine.begin();
      mine.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      mine.query("SELECT balance FROM accounts WHERE id = 1");
      if (attempt == 1) {
        other.query("UPDATE accounts SET balance = balance + 1 WHERE id = 1");
        fails(mine, change, "40001");
        mine.rollback();
      } else {
        mine.query(change);
        mine.commit();
      }
    }
    var row = other.one("SELECT balance FROM accounts WHERE id = 1");
    expect(row.get(0), 111L, "balance after the retry");
    close(List.of(mine, other));
  }

  private void fails(Session session, String sql, String state) throws Exception {
    try {
      session.query(sql);
    } catch (Exception error) {
      if (driver.state(error).equals(state)) {
        return;
      }
      throw error;
    }
    throw new IllegalStateException("no error " + state);
  }

  private void cancel() throws Exception {
    var session = driver.open();
    var observer = driver.open();
    var sql = "SELECT 'to be cancelled' FROM pg_sleep(60)";
    var ended = threads.submit(callable(() -> fails(session, sql, "57014")));
    running(observer, 1L);
    driver.cancel(session);
    result(ended);
    running(observer, 0L);
    expect(session.one("SELECT 1").get(0), 1L, "answer after the cancel");
    close(List.of(session, observer));
  }

  /** Wait until so many of the statements to be cancelled run. */
  private static void running(Session observer, long count) throws Exception {
    var activity = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE ";
    while (!observer.one(activity + "'SELECT ''to be cancelled'' FROM %'").get(0).equals(count)) {
      Thread.sleep(50);
    }
  }

  private void types() throws Exception {
    var session = driver.open();
    session.begin(); // see batch()
    for (var typed : driver.types()) {
      var select = "SELECT v, v IS NOT DISTINCT FROM " + typed.literal() + "::" + typed.name();
      var row = session.one(select + " FROM (SELECT $1::" + typed.name() + " AS v) t", typed.value());
      expect(row.get(0), typed.value(), typed.name());
      expect(row.get(1), true, typed.name() + " on the server");
    }
    session.commit();
    session.close();
  }

  private void listen() throws Exception {
    var session = driver.open();
    var other = driver.open();
    var channel = "channel_" + service;
    driver.listen(session, channel);
    other.query("NOTIFY " + channel + ", 'news'");
    var payload = driver.notified(session, PATIENCE.get(lane));
    close(List.of(session, other));
    if (payload == null) {
      throw new Outcome.Breaks("no notification arrives");
    }
    expect(payload, "news", "payload");
  }

  /** The setup on one backend; the probe while others hold that backend, if the lane lets them. */
  private void elsewhere(String setup, String probe, Object wanted, String sign) throws Exception {
    var session = driver.open();
    session.begin();
    session.query(setup);
    var mine = session.one("SELECT pg_backend_pid()");
    session.commit();
    var others = open(POOL);
    var held = new ArrayList<List<Object>>();
    for (var other : others) {
      other.begin();
      held.add(other.one("SELECT pg_backend_pid()"));
    }
    for (var number = 0; number < POOL; number++) {
      if (!held.get(number).equals(mine)) {
        others.get(number).rollback();
      }
    }
    try {
      if (!session.one(probe).get(0).equals(wanted)) {
        throw new Outcome.Breaks(sign);
      }
    } catch (Exception error) {
      var state = driver.state(error);
      if (Arrays.asList("42P01", "34000", "26000").contains(state)) {
        throw new Outcome.Breaks("error " + state);
      }
      throw error;
    } finally {
      close(others);
      session.close();
    }
  }
}
