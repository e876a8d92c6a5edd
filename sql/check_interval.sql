-- Run by a one-shot job with psql, which quotes the variables. Safe to run again.
-- A client that is gone must give its backend back soon, or PgBouncer opens another beside it and the cap breaks.
-- PgBouncer sets the interval on each backend it opens; a client's RESET ALL (asyncpg sends one whenever a connection
-- returns to its pool) would undo that, but falls back to this. Direct clients gain from it too; nobody loses.
SET client_min_messages = warning;
ALTER DATABASE :"database" SET client_connection_check_interval = :'interval_ms';
