-- Schemas of this database that hold tables, but for those of Postgres and of extensions.
SELECT DISTINCT schema.nspname::text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE relation.relkind IN ('r', 'p')
  AND relation.relpersistence <> 't'
  AND schema.nspname NOT IN ('pg_catalog', 'information_schema')
  AND schema.nspname NOT LIKE 'pg\_toast%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS part
                  WHERE part.classid = 'pg_catalog.pg_class'::regclass
                    AND part.objid = relation.oid AND part.deptype = 'e')
  -- TimescaleDB's chunks are reached through their hypertable.
  AND schema.nspname NOT LIKE '\_timescaledb\_%'
ORDER BY 1
