-- Body of user_lookup(i_username text), SQL, SECURITY DEFINER, run by PgBouncer at every login before HBA.
-- Every name and operator is qualified: the caller's search_path must not decide what runs as the owner.
-- No row for an unknown name; a NULL password is a refused login.
SELECT r.rolname::pg_catalog.text,
       -- an expired password must not log in through the pooler either
       CASE WHEN r.rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() THEN NULL ELSE r.rolpassword END
  FROM pg_catalog.pg_authid AS r
 WHERE r.rolname OPERATOR(pg_catalog.=) i_username
   -- a role that cannot log in directly cannot log in here
   AND r.rolcanlogin
   -- declared services only; direct rows, because pg_has_role is true for every superuser
   AND EXISTS (
         SELECT 1
           FROM pg_catalog.pg_auth_members AS m
           JOIN pg_catalog.pg_authid AS g ON g.oid OPERATOR(pg_catalog.=) m.roleid
          WHERE m.member OPERATOR(pg_catalog.=) r.oid
            AND g.rolname OPERATOR(pg_catalog.=) {services_group})
   -- superusers only where the stack names them
   AND (NOT r.rolsuper OR EXISTS (
         SELECT 1
           FROM pg_catalog.pg_auth_members AS m
           JOIN pg_catalog.pg_authid AS g ON g.oid OPERATOR(pg_catalog.=) m.roleid
          WHERE m.member OPERATOR(pg_catalog.=) r.oid
            AND g.rolname OPERATOR(pg_catalog.=) {superusers_group}))
