-- Since when pg_stat_statements counts, in seconds, and how many entries it has dropped for want of room.
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - stats_reset)::float8, dealloc
FROM {view}
