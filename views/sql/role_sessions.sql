-- Sessions of one role in one database, with the advisory locks that each holds.
SELECT activity.pid,
       activity.application_name,
       coalesce(pg_catalog.host(activity.client_addr), 'local'),
       activity.backend_type = 'walsender',
       coalesce(activity.state, ''),
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - activity.state_change), 0)::float8,
       extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::float8,
       coalesce(activity.query, ''),
       (SELECT count(*) FROM pg_catalog.pg_locks AS held
        WHERE held.pid = activity.pid AND held.locktype = 'advisory' AND held.granted)
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.usename = %(user)s
  AND activity.backend_type IN ('client backend', 'walsender')
  -- A physical replication connection is in no database.
  AND (activity.datname = %(database)s OR activity.datname IS NULL)
  -- The deployment's own connections, this one included.
  AND activity.application_name <> %(own)s
