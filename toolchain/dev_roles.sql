-- Roles of the throwaway database, as the team's own server has them. Safe to run again.
-- The passwords arrive as psql variables on stdin, ahead of this file.
\set VERBOSITY terse

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['analytics_ro', 'grafana_ro', 'migrator']) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name)
\gexec

-- Analytics runs ad-hoc queries: read-only, and none longer than half a minute.
SELECT format('ALTER ROLE analytics_ro IN DATABASE %I SET default_transaction_read_only = on', current_database()) \gexec
SELECT format('ALTER ROLE analytics_ro IN DATABASE %I SET statement_timeout = ''30s''', current_database()) \gexec
SELECT format('ALTER ROLE grafana_ro IN DATABASE %I SET default_transaction_read_only = on', current_database()) \gexec

GRANT pg_read_all_data TO analytics_ro, grafana_ro;
GRANT CREATE, USAGE ON SCHEMA public TO migrator;

-- Passwords come last: a role that has one has everything above.
ALTER ROLE postgres PASSWORD :'postgres';
ALTER ROLE analytics_ro PASSWORD :'analytics_ro';
ALTER ROLE grafana_ro PASSWORD :'grafana_ro';
ALTER ROLE migrator PASSWORD :'migrator';
