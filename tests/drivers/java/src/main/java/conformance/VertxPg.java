package conformance;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.pgclient.PgConnectOptions;
import io.vertx.pgclient.PgConnection;
import io.vertx.pgclient.PgException;
import io.vertx.sqlclient.PreparedStatement;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Transaction;
import io.vertx.sqlclient.Tuple;
import io.vertx.sqlclient.data.Numeric;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Vert.x's reactive client. */
final class VertxPg implements Driver {
  private final Vertx vertx = Vertx.vertx();
  private final String dsn;
  private final boolean proxy;

  /** The proxy mode is what its manual wants for PgBouncer; a DSN cannot ask for it. */
  VertxPg(String dsn, boolean proxy) {
    this.dsn = dsn;
    this.proxy = proxy;
  }

  /** The answer, or the driver's own error. */
  private static <T> T wait(Future<T> future) throws Exception {
    try {
      return future.toCompletionStage().toCompletableFuture().get();
    } catch (ExecutionException ended) {
      throw ended.getCause() instanceof Exception cause ? cause : ended;
    }
  }

  private static final class Connected implements Session {
    final PgConnection connection;
    final BlockingQueue<String> payloads = new LinkedBlockingQueue<>();
    private Transaction transaction;
    private PreparedStatement prepared;

    Connected(PgConnection connection) {
      this.connection = connection;
    }

    @Override
    public List<List<Object>> query(String sql, Object... parameters) throws Exception {
      if (parameters.length == 0) {
        return rows(VertxPg.wait(connection.query(sql).execute()));
      }
      var values = Tuple.tuple();
      for (var value : parameters) {
        if (value instanceof List<?> list) {
          var integers = list.get(0) instanceof Integer;
          values.addValue(list.toArray(integers ? new Integer[0] : new String[0]));
        } else {
          values.addValue(value);
        }
      }
      return rows(VertxPg.wait(connection.preparedQuery(sql).execute(values)));
    }

    private static List<List<Object>> rows(RowSet<Row> found) {
      var rows = new ArrayList<List<Object>>();
      for (var row : found) {
        var values = new ArrayList<Object>();
        for (var number = 0; number < row.size(); number++) {
          values.add(value(row.getValue(number)));
        }
        rows.add(values);
      }
      return rows;
    }

    private static Object value(Object found) {
      if (found instanceof Integer whole) {
        return whole.longValue();
      }
      return found instanceof Object[] array ? Arrays.asList(array) : found;
    }

    @Override
    public void begin() throws Exception {
      transaction = VertxPg.wait(connection.begin());
    }

    @Override
    public void commit() throws Exception {
      VertxPg.wait(transaction.commit());
    }

    @Override
    public void rollback() throws Exception {
      VertxPg.wait(transaction.rollback());
    }

    @Override
    public void close() throws Exception {
      VertxPg.wait(connection.close());
    }
  }

  @Override
  public Session open() throws Exception {
    var options = PgConnectOptions.fromUri(dsn).setUseLayer7Proxy(proxy);
    return new Connected(wait(PgConnection.connect(vertx, options)));
  }

  @Override
  public String state(Throwable error) {
    return error instanceof PgException said ? said.getSqlState() : "";
  }

  @Override
  public List<Object> prepared(Session session, String sql, int value) throws Exception {
    var own = (Connected) session;
    if (own.prepared == null) {
      own.prepared = wait(own.connection.prepare(sql));
    }
    return Connected.rows(wait(own.prepared.query().execute(Tuple.of(value)))).get(0);
  }

  @Override
  public void batch(Session session, List<Integer> numbers) throws Exception {
    var insert = ((Connected) session).connection.preparedQuery("INSERT INTO batch (id) VALUES ($1)");
    wait(insert.executeBatch(numbers.stream().map(Tuple::of).toList()));
  }

  @Override
  public void copyIn(Session session, String lines) throws Outcome {
    throw new Outcome.NotOffered("the Vert.x client has no COPY");
  }

  @Override
  public long copyOut(Session session) throws Outcome {
    throw new Outcome.NotOffered("the Vert.x client has no COPY");
  }

  @Override
  public void cancel(Session session) throws Exception {
    wait(((Connected) session).connection.cancelRequest());
  }

  @Override
  public void listen(Session session, String channel) throws Exception {
    var own = (Connected) session;
    own.connection.notificationHandler(said -> own.payloads.add(said.getPayload()));
    session.query("LISTEN " + channel);
  }

  @Override
  public String notified(Session session, int seconds) throws InterruptedException {
    return ((Connected) session).payloads.poll(seconds, TimeUnit.SECONDS);
  }

  /**
   * Without the proxy mode a statement goes to the server before its parameters, in a transaction of its own; on
   * another backend they meet some other client's statement, and which of many errors, wrong answers, lost
   * connections or endless waits follows is a matter of luck.
   */
  @Override
  public Exception underConcurrency(Exception error) {
    return proxy ? error : new Outcome.Breaks("parameters meet another client's statement");
  }

  @Override
  public List<Typed> types() {
    var number = Numeric.parse("12345678901234567890.123456789");
    var when = OffsetDateTime.parse("2024-02-29T12:30:45.123456Z");
    var id = UUID.fromString("6f9619ff-8b86-d011-b42d-00c04fc964ff");
    var json = new JsonObject().put("a", new JsonArray().add(1).addNull());
    return List.of(
        new Typed("int8", Long.MAX_VALUE, "'9223372036854775807'"),
        new Typed("numeric", number, "'12345678901234567890.123456789'"),
        new Typed("float8", 0.1, "'0.1'"),
        new Typed("bool", true, "'t'"),
        new Typed("text", "ü€𝄞 'quoted' \\ %", "'ü€𝄞 ''quoted'' \\ %'"),
        new Typed("bytea", Buffer.buffer(new byte[] {0, 1, -1}), "'\\x0001ff'"),
        new Typed("date", LocalDate.of(2024, 2, 29), "'2024-02-29'"),
        new Typed("timestamptz", when, "'2024-02-29 12:30:45.123456+00'"),
        new Typed("uuid", id, "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
        new Typed("jsonb", json, "'{\"a\": [1, null]}'"),
        new Typed("int4[]", Arrays.asList(1, 2, null), "'{1,2,NULL}'"),
        new Typed("text[]", List.of("a", "b\"c", ""), "'{a,\"b\\\"c\",\"\"}'"),
        new Typed("text", null, "NULL"));
  }
}
