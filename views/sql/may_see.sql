-- Whether pg_stat_activity and pg_stat_statements show what other roles do.
SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
