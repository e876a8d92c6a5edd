-- Tables and views of this database, and what a role may do with each.
SELECT schema.nspname::text,
       relation.relname::text,
       relation.relowner = %(role)s::oid,
       ARRAY(SELECT privilege
             FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
             WHERE pg_catalog.has_table_privilege(%(role)s::oid, relation.oid, privilege))
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE relation.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND relation.relpersistence <> 't'
  -- An extension grants what its own objects need.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS part
                  WHERE part.classid = 'pg_catalog.pg_class'::regclass
                    AND part.objid = relation.oid AND part.deptype = 'e')
  AND schema.nspname NOT IN ('pg_catalog', 'information_schema')
  AND schema.nspname NOT LIKE 'pg\_toast%%'
  -- TimescaleDB's chunks are reached through their hypertable.
  AND schema.nspname NOT LIKE '\_timescaledb\_%%'
ORDER BY 1, 2
