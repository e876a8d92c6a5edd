-- Connections to the databases of the stack.
SELECT pid, usename, application_name, coalesce(pg_catalog.host(client_addr), 'local'), coalesce(state, '')
FROM pg_catalog.pg_stat_activity
WHERE datname = ANY(%(databases)s)
  AND usename IS NOT NULL
  AND backend_type IN ('client backend', 'walsender')
  -- The deployment's own connections: this one, and those of an update.
  AND application_name <> %(own)s
