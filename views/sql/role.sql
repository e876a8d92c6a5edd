-- What a role is and may do in this database. No row: there is no such role.
SELECT role.oid::bigint,
       role.rolsuper,
       role.rolreplication,
       role.rolcreatedb,
       role.rolcreaterole,
       role.rolconnlimit,
       pg_catalog.has_database_privilege(role.oid, pg_catalog.current_database(), 'CONNECT'),
       ARRAY(SELECT other.rolname::text
             FROM pg_catalog.pg_auth_members AS member
             JOIN pg_catalog.pg_roles AS other ON other.oid = member.roleid
             WHERE member.member = role.oid
             ORDER BY 1),
       -- Temporary tables that exist at this moment; their schemas are those of live sessions.
       (SELECT count(*) FROM pg_catalog.pg_class AS temporary
        WHERE temporary.relowner = role.oid AND temporary.relpersistence = 't' AND temporary.relkind IN ('r', 'p'))
FROM pg_catalog.pg_roles AS role
WHERE role.rolname = %(user)s
