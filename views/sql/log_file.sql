-- The log that is written now, in a form with fields; NULL when there is none.
SELECT pg_catalog.pg_current_logfile(%(form)s)
