-- Facts of the server, one a line: check, subject, value. Read only; run as the admin, on the stack's own database.
-- The plugins compare what they declared and can express; these are the rows of the catalogs themselves.
\set ON_ERROR_STOP 1
SET default_transaction_read_only = on;
SET search_path = pg_catalog, pg_temp;

-- function and schema: whatever stands in the schema, so that an overload beside ours is seen too
WITH functions AS (
    SELECT p.*, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS subject
      FROM pg_proc AS p
     WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = :'schema')
)
SELECT 'function', subject || ' ' || what, value
  FROM functions AS f
 CROSS JOIN LATERAL (VALUES
        -- white space around the body is the client's that sent it
        ('body', left(encode(sha256(convert_to(btrim(f.prosrc, E' \t\r\n'), 'UTF8')), 'hex'), 16)),
        ('owner', pg_get_userbyid(f.proowner)::text),
        ('security', CASE WHEN f.prosecdef THEN 'SECURITY DEFINER' ELSE 'SECURITY INVOKER' END),
        ('returns', pg_get_function_result(f.oid) || ', ' || (SELECT lanname FROM pg_language WHERE oid = f.prolang)
            || ', ' || CASE f.provolatile WHEN 's' THEN 'STABLE' WHEN 'i' THEN 'IMMUTABLE' ELSE 'VOLATILE' END),
        ('settings', coalesce(array_to_string(f.proconfig, ', '), 'none'))) AS facts (what, value)
UNION ALL
SELECT 'function', 'schema ' || nspname || ' owner', pg_get_userbyid(nspowner)::text
  FROM pg_namespace WHERE nspname = :'schema'
UNION ALL
-- without an ACL of its own an object has the default one, in which PUBLIC may execute
SELECT 'grants', f.subject || ': ' || coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'PUBLIC'),
       string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ' '
                  ORDER BY a.privilege_type)
  FROM functions AS f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a
 GROUP BY 2
UNION ALL
SELECT 'grants', 'schema ' || n.nspname || ': ' || coalesce(pg_get_userbyid(nullif(a.grantee, 0))::text, 'PUBLIC'),
       string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ' '
                  ORDER BY a.privilege_type)
  FROM pg_namespace AS n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
 WHERE n.nspname = :'schema'
 GROUP BY 2;

-- whatever else the auth role owns or was granted, in any database of the server
SELECT 'grants', r.rolname || ' elsewhere', CASE WHEN count(d.*) = 0 THEN 'nothing' ELSE count(d.*) || ' objects' END
  FROM pg_roles AS r
  LEFT JOIN pg_shdepend AS d
    ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
   AND NOT (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (d.classid = 'pg_proc'::regclass AND d.objid IN (
                     SELECT p.oid FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
                      WHERE n.nspname = :'schema')
                 OR d.classid = 'pg_namespace'::regclass AND d.objid = (
                     SELECT oid FROM pg_namespace WHERE nspname = :'schema')))
 WHERE r.rolname = :'auth_role'
 GROUP BY r.rolname;

-- the roles of the deployment, and what they are members of
SELECT 'roles', rolname,
       concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolsuper THEN 'SUPERUSER' END,
                 CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
                 CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
                 CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
                 CASE WHEN rolconnlimit <> -1 THEN 'CONNECTION LIMIT ' || rolconnlimit END,
                 CASE WHEN rolvaliduntil <> 'infinity' THEN 'VALID UNTIL ' || rolvaliduntil END)
  FROM pg_roles
 WHERE rolname IN (SELECT json_array_elements_text(:'ours'))
UNION ALL
SELECT 'roles', m.rolname || ' in ' || g.rolname, 'member'
  FROM pg_auth_members AS a JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
 WHERE m.rolname IN (SELECT json_array_elements_text(:'ours'))
UNION ALL
-- from Postgres 16 on, a role that may create roles is made an administrator of those it creates
SELECT DISTINCT 'members', m.rolname || ' in ' || g.rolname, 'member'
  FROM pg_auth_members AS a JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
 WHERE g.rolname IN (SELECT json_array_elements_text(:'groups'))
   AND NOT (a.admin_option AND m.rolname = current_user)
UNION ALL
SELECT 'service roles', rolname,
       CASE WHEN rolsuper THEN 'superuser' WHEN NOT rolcanlogin THEN 'may not log in'
            WHEN rolvaliduntil < now() THEN 'password expired' ELSE 'may log in, no superuser' END
  FROM pg_roles
 WHERE rolname IN (SELECT json_array_elements_text(:'pooled'));

-- defaults of roles in databases, and the setting that keeps the cap
SELECT 'role defaults', r.rolname || ' in ' || d.datname || ': ' || split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)
  FROM pg_db_role_setting AS s
  JOIN pg_roles AS r ON r.oid = s.setrole
  JOIN pg_database AS d ON d.oid = s.setdatabase
 CROSS JOIN unnest(s.setconfig) AS c
 WHERE r.rolname IN (SELECT json_array_elements_text(:'users'))
UNION ALL
SELECT 'check interval', d.datname, substr(c, strpos(c, '=') + 1)
  FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) AS c
 WHERE s.setrole = 0 AND split_part(c, '=', 1) = 'client_connection_check_interval';

SELECT 'server', 'max_connections', current_setting('max_connections')
UNION ALL
SELECT 'server', 'reserved connections', sum(setting::int)::text
  FROM pg_settings WHERE name IN ('superuser_reserved_connections', 'reserved_connections');

-- PgBouncer may have lost count of a backend whose client is gone; Postgres has not
SELECT 'backends', 'in Postgres',
       CASE WHEN :'address' = '' THEN 'not judged: the image cannot resolve the pooler''s address'
            WHEN NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
                THEN 'not judged: the admin may not see the sessions of others; grant it pg_monitor'
            WHEN count(*) <= :cap THEN 'at most ' || :cap ELSE count(*)::text END
  FROM pg_stat_activity
 WHERE host(client_addr) = :'address';
