package conformance;

import java.util.List;

/** A driver by its own idiom; NotOffered where it has none. */
interface Driver {
  /** A new connection from the DSN alone. */
  Session open() throws Exception;

  /** SQLSTATE of an error of this driver, or "". */
  String state(Throwable error);

  /** Row of a statement that the driver prepares by name. */
  List<Object> prepared(Session session, String sql, int value) throws Exception;

  /** Insert the numbers into table batch without waiting for each. */
  void batch(Session session, List<Integer> numbers) throws Exception;

  /** COPY the lines into table copied. */
  void copyIn(Session session, String lines) throws Exception;

  /** Number of rows that COPY from table copied gives. */
  long copyOut(Session session) throws Exception;

  /** Cancel what the session runs. */
  void cancel(Session session) throws Exception;

  /** LISTEN, acknowledged. */
  void listen(Session session, String channel) throws Exception;

  /** Payload of the first notification that arrives within so many seconds, or null. */
  String notified(Session session, int seconds) throws Exception;

  List<Typed> types() throws Exception;

  /** What an error under concurrent clients means for this driver. */
  default Exception underConcurrency(Exception error) {
    return error;
  }

  /** A type of SQL, the value as the driver takes and returns it, and the same as an SQL literal. */
  record Typed(String name, Object value, String literal) {}
}
