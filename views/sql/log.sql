-- Whether the server's log can be read here: what it writes, whether statements are in it, and where it is.
SELECT pg_catalog.current_setting('logging_collector') = 'on',
       pg_catalog.pg_has_role(current_user, 'pg_monitor', 'USAGE')
           AND pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text, bigint, bigint)', 'EXECUTE')
           AND pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(text)', 'EXECUTE'),
       pg_catalog.current_setting('log_statement'),
       pg_catalog.current_setting('log_min_duration_statement')
