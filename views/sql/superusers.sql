-- Which of these roles are superusers.
SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper AND rolname = ANY(%(users)s)
