package conformance;

import java.io.ByteArrayInputStream;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.postgresql.PGConnection;

/** pgJDBC. */
record PgJdbc(String dsn) implements Driver {
  /** A connection in autocommit mode outside transactions. */
  static final class Connected implements Session {
    final Connection connection;
    private volatile Statement current;
    private PreparedStatement prepared;

    Connected(Connection connection) {
      this.connection = connection;
    }

    @Override
    public List<List<Object>> query(String sql, Object... parameters) throws SQLException {
      try (var statement = connection.prepareStatement(sql.replaceAll("\\$\\d", "?"))) {
        current = statement;
        for (var number = 0; number < parameters.length; number++) {
          var value = parameters[number];
          if (value instanceof List<?> list) {
            var type = list.get(0) instanceof Integer ? "int4" : "text";
            statement.setArray(number + 1, connection.createArrayOf(type, list.toArray()));
          } else {
            statement.setObject(number + 1, value);
          }
        }
        return statement.execute() ? rows(statement.getResultSet()) : List.of();
      }
    }

    private static List<List<Object>> rows(ResultSet found) throws SQLException {
      var rows = new ArrayList<List<Object>>();
      while (found.next()) {
        var row = new ArrayList<Object>();
        for (var number = 1; number <= found.getMetaData().getColumnCount(); number++) {
          row.add(value(found, number));
        }
        rows.add(row);
      }
      return rows;
    }

    private static Object value(ResultSet found, int number) throws SQLException {
      if (found.getMetaData().getColumnTypeName(number).equals("timestamptz")) {
        return found.getObject(number, OffsetDateTime.class);
      }
      var value = found.getObject(number);
      if (value instanceof Integer whole) {
        return whole.longValue();
      }
      if (value instanceof java.sql.Date) {
        return found.getObject(number, LocalDate.class);
      }
      return value instanceof Array array ? Arrays.asList((Object[]) array.getArray()) : value;
    }

    @Override
    public void begin() throws SQLException {
      connection.setAutoCommit(false);
    }

    @Override
    public void commit() throws SQLException {
      connection.commit();
      connection.setAutoCommit(true);
    }

    @Override
    public void rollback() throws SQLException {
      connection.rollback();
      connection.setAutoCommit(true);
    }

    @Override
    public void close() throws SQLException {
      connection.close();
    }
  }

  @Override
  public Session open() throws SQLException {
    return new Connected(DriverManager.getConnection(dsn));
  }

  @Override
  public String state(Throwable error) {
    return error instanceof SQLException said && said.getSQLState() != null ? said.getSQLState() : "";
  }

  /** By name from the fifth execution on, which is this driver's own default. */
  @Override
  public List<Object> prepared(Session session, String sql, int value) throws SQLException {
    var own = (Connected) session;
    if (own.prepared == null) {
      own.prepared = own.connection.prepareStatement(sql.replaceAll("\\$\\d", "?"));
    }
    own.prepared.setInt(1, value);
    try (var found = own.prepared.executeQuery()) {
      return Connected.rows(found).get(0);
    }
  }

  @Override
  public void batch(Session session, List<Integer> numbers) throws SQLException {
    var connection = ((Connected) session).connection;
    try (var insert = connection.prepareStatement("INSERT INTO batch (id) VALUES (?)")) {
      for (var number : numbers) {
        insert.setInt(1, number);
        insert.addBatch();
      }
      insert.executeBatch();
    }
  }

  private static PGConnection postgres(Session session) throws SQLException {
    return ((Connected) session).connection.unwrap(PGConnection.class);
  }

  @Override
  public void copyIn(Session session, String lines) throws Exception {
    var stream = new ByteArrayInputStream(lines.getBytes(StandardCharsets.UTF_8));
    postgres(session).getCopyAPI().copyIn("COPY copied (id, note) FROM STDIN", stream);
  }

  @Override
  public long copyOut(Session session) throws Exception {
    var target = new StringWriter();
    postgres(session).getCopyAPI().copyOut("COPY copied (id, note) TO STDOUT", target);
    return target.toString().lines().count();
  }

  @Override
  public void cancel(Session session) throws SQLException {
    ((Connected) session).current.cancel();
  }

  @Override
  public void listen(Session session, String channel) throws Exception {
    session.query("LISTEN " + channel);
  }

  @Override
  public String notified(Session session, int seconds) throws SQLException {
    var said = postgres(session).getNotifications(1000 * seconds);
    return said == null || said.length == 0 ? null : said[0].getParameter();
  }

  @Override
  public List<Typed> types() {
    var number = new BigDecimal("12345678901234567890.123456789");
    var when = OffsetDateTime.parse("2024-02-29T12:30:45.123456Z");
    var id = UUID.fromString("6f9619ff-8b86-d011-b42d-00c04fc964ff");
    return List.of(
        new Typed("int8", Long.MAX_VALUE, "'9223372036854775807'"),
        new Typed("numeric", number, "'12345678901234567890.123456789'"),
        new Typed("float8", 0.1, "'0.1'"),
        new Typed("bool", true, "'t'"),
        new Typed("text", "ü€𝄞 'quoted' \\ %", "'ü€𝄞 ''quoted'' \\ %'"),
        new Typed("bytea", new byte[] {0, 1, -1}, "'\\x0001ff'"),
        new Typed("date", LocalDate.of(2024, 2, 29), "'2024-02-29'"),
        new Typed("timestamptz", when, "'2024-02-29 12:30:45.123456+00'"),
        new Typed("uuid", id, "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
        new Typed("int4[]", Arrays.asList(1, 2, null), "'{1,2,NULL}'"),
        new Typed("text[]", List.of("a", "b\"c", ""), "'{a,\"b\\\"c\",\"\"}'"),
        new Typed("text", null, "NULL"));
  }
}
