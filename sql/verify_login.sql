-- One service by its own lane: who it is there, whether its statements read and write as they should, and one named
-- prepared statement of the protocol six times. Every name is qualified: the search_path is the service's own.
\set ON_ERROR_STOP 1
-- reset_val is what the backend got for this role and database when it connected: a leak from another client differs
SELECT 'logins', :'service', current_user || ', '
       || CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'the server is a standby'
               WHEN now.setting = wanted THEN 'reads and writes as declared'
               ELSE 'default_transaction_read_only is ' || now.setting || ', declared ' || wanted END
  FROM pg_catalog.pg_settings AS now
 CROSS JOIN LATERAL (SELECT CASE :'read_only' WHEN '-' THEN now.reset_val ELSE :'read_only' END) AS declared (wanted)
 WHERE now.name = 'default_transaction_read_only';
\if :knows_named
SELECT 'pid', pg_catalog.pg_backend_pid(), $1::pg_catalog.int4 \parse pgbouncer_stack_verify
\bind_named pgbouncer_stack_verify 1 \g
\bind_named pgbouncer_stack_verify 2 \g
\bind_named pgbouncer_stack_verify 3 \g
-- meanwhile a second session of the same service takes this backend into a transaction
\! touch "$STEP.first"; until [ -e "$STEP.held" ] || [ -e "$STEP.over" ]; do sleep 0.05; done
\bind_named pgbouncer_stack_verify 4 \g
\bind_named pgbouncer_stack_verify 5 \g
\bind_named pgbouncer_stack_verify 6 \g
\! touch "$STEP.done"
\endif
