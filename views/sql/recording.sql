-- Whether statements are recorded: where the extension is in this database, and what the server has loaded.
SELECT (SELECT schema.nspname::text
        FROM pg_catalog.pg_extension AS extension
        JOIN pg_catalog.pg_namespace AS schema ON schema.oid = extension.extnamespace
        WHERE extension.extname = 'pg_stat_statements'),
       pg_catalog.current_setting('shared_preload_libraries', true),
       pg_catalog.current_setting('pg_stat_statements.track', true),
       pg_catalog.current_setting('pg_stat_statements.track_utility', true)
