-- The end of a log file, as bytes: a text would be refused when it starts in the middle of a character.
SELECT pg_catalog.pg_read_binary_file(
    %(file)s,
    greatest(0, (pg_catalog.pg_stat_file(%(file)s)).size - %(bytes)s),
    %(bytes)s)
