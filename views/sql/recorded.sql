-- What pg_stat_statements has of one role in this database; {view} is the view in the schema of its extension.
SELECT query, calls, max_exec_time / 1000, total_exec_time / 1000
FROM {view}
WHERE userid = %(role)s::oid
  AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
