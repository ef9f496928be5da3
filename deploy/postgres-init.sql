-- The plain role and the database of the service: no superuser, and no rights but those that it
-- needs to make tenants. The image runs this once, as the superuser, when it makes its data.

\getenv password DATABASE_PASSWORD

-- the statement with the password must not get into the log, not even when it fails
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

CREATE ROLE cloacina LOGIN CREATEROLE NOINHERIT PASSWORD :'password';
CREATE DATABASE cloacina OWNER cloacina;
REVOKE ALL ON DATABASE cloacina FROM PUBLIC;
-- tenants have logins, and nothing to look for in the databases that every cluster has
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
