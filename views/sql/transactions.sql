-- Open transactions of these backends, with their age in seconds.
SELECT pid, coalesce(state, ''), extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8
FROM pg_catalog.pg_stat_activity
WHERE pid = ANY(%(pids)s) AND xact_start IS NOT NULL
