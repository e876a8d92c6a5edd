package conformance;

import java.util.List;

/** One connection. Outside begin … commit every statement is a transaction of its own. */
interface Session {
  /** Rows of a statement with {@code $1 …} in ascending order, each once; whole numbers are Long. */
  List<List<Object>> query(String sql, Object... parameters) throws Exception;

  void begin() throws Exception;

  void commit() throws Exception;

  void rollback() throws Exception;

  void close() throws Exception;

  /** The only row. */
  default List<Object> one(String sql, Object... parameters) throws Exception {
    var rows = query(sql, parameters);
    if (rows.size() != 1) {
      throw new IllegalStateException(rows.size() + " rows instead of one");
    }
    return rows.get(0);
  }
}
