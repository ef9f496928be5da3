"""What one tenant may try against another, and against all: `{b}` is the other one's schema.

Each of these is refused to whoever is acme, by whatever way. Where nothing else is said, by
PostgreSQL for want of a right.
"""

from collections.abc import Sequence

# by the kind of refusal: of a right, of a name that cannot be found, of what is turned off
NO_RIGHT = "42501"
NO_TABLE = "42P01"

ROWS: Sequence[str] = (
    "SELECT 1 FROM {b}.packages",
    'SELECT 1 FROM "{b}"."packages"',
    "SELECT 1 FROM {db}.{b}.packages",
    "TABLE {b}.task_logs",
    "SELECT count(*) FROM {b}.execution_events",
    "SELECT 1 FROM packages UNION ALL SELECT 1 FROM {b}.packages",
    "SELECT (SELECT max(id::text) FROM {b}.workflow_executions)",
    "WITH x AS (DELETE FROM {b}.packages RETURNING *) SELECT * FROM x",
    "INSERT INTO {b}.schedules DEFAULT VALUES",
    "INSERT INTO archive_chunks SELECT * FROM {b}.archive_chunks",
    "UPDATE {b}.workflow_executions SET status = 'Cancelled'",
    "MERGE INTO {b}.packages USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE {b}.packages CASCADE",
    "EXPLAIN ANALYZE SELECT 1 FROM {b}.packages",
    "PREPARE p AS SELECT 1 FROM {b}.packages",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1 FROM {b}.packages",
    "COPY {b}.packages TO STDOUT",
    "COPY (SELECT 1 FROM {b}.packages) TO STDOUT",
    "DO $$ BEGIN EXECUTE 'SELECT 1 FROM {b}.packages'; END $$",
    "DO $$ BEGIN LOCK TABLE {b}.packages IN ACCESS SHARE MODE; END $$",
    "DO $$ BEGIN LOCK TABLE public.tenants IN ACCESS SHARE MODE; END $$",
    "DO $$ BEGIN LOCK TABLE pg_class IN ROW EXCLUSIVE MODE; END $$",
    "SELECT query_to_xml('SELECT * FROM {b}.packages', true, true, '')",
    "SELECT schema_to_xml('{b}', true, true, '')",
    "SELECT '{b}.packages'::regclass",
    "SELECT 1 FROM {b}.alembic_version_tenant",
    "SELECT 1 FROM alembic_version_tenant",
    "UPDATE alembic_version_tenant SET version_num = '0'",
    "SELECT 1 FROM public.alembic_version_platform",
    "SELECT 1 FROM public.api_keys",
    "SELECT value FROM public.server_keys",
    "UPDATE public.tenants SET role_name = '{b}' WHERE name = current_user",
    "UPDATE public.tenant_wakeups SET due_at = 'infinity'",
    "DELETE FROM public.workers",
)

SEQUENCES: Sequence[str] = (
    "SELECT last_value FROM {b}.packages_upload_order_seq",
    "SELECT nextval('{b}.packages_upload_order_seq')",
    "SELECT nextval({b_sequence}::oid::regclass)",
    "SELECT currval({b_sequence}::oid::regclass)",
    "SELECT setval({b_sequence}::oid::regclass, 1)",
    "SELECT setval('packages_upload_order_seq', 1)",
    "ALTER SEQUENCE {b}.packages_upload_order_seq RESTART",
)

MAKING: Sequence[str] = (
    "CREATE SCHEMA mine",
    "CREATE TABLE mine (i int)",
    "CREATE TABLE {b}.mine (i int)",
    "CREATE TABLE public.mine (i int)",
    "CREATE TABLE pg_catalog.mine (i int)",
    "CREATE TEMP TABLE mine (i int)",
    "CREATE TEMP VIEW mine AS SELECT 1",
    "SELECT 1 INTO TEMP mine",
    "SELECT 1 INTO mine",
    "CREATE UNLOGGED TABLE mine (i int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE MATERIALIZED VIEW mine AS SELECT 1",
    "CREATE SEQUENCE mine",
    "CREATE TEMP SEQUENCE mine",
    "CREATE TYPE mine AS (i int)",
    "CREATE DOMAIN mine AS int",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq)",
    "CREATE CAST (int AS text) WITH INOUT",
    "CREATE STATISTICS mine ON id, version FROM packages",
    "CREATE INDEX ON packages (version)",
    "CREATE POLICY mine ON packages",
    "CREATE RULE mine AS ON INSERT TO packages DO ALSO NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON packages FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION mine()",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE TABLESPACE mine LOCATION '/tmp'",
    "CREATE PUBLICATION mine",
    "CREATE SUBSCRIPTION mine CONNECTION 'x' PUBLICATION y",
    "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
    "CREATE FOREIGN DATA WRAPPER mine",
    "CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler",
    "SELECT pg_create_physical_replication_slot('mine')",
)

CHANGING: Sequence[str] = (
    "DROP TABLE packages",
    "DROP SCHEMA {a} CASCADE",
    "DROP SCHEMA {b} CASCADE",
    "DROP OWNED BY {b}",
    "REASSIGN OWNED BY {b} TO {a}",
    "ALTER TABLE packages OWNER TO {a}",
    "ALTER TABLE packages DISABLE TRIGGER ALL",
    "ALTER TABLE packages ADD COLUMN mine int",
    "ALTER SCHEMA {a} RENAME TO mine",
    "ALTER DATABASE {db} SET statement_timeout = 0",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "COMMENT ON TABLE packages IS 'mine'",
    "REINDEX SCHEMA {b}",
    "REINDEX TABLE packages",
    "VACUUM {b}.packages",
    "ANALYZE {b}.packages",
    "CHECKPOINT",
    "SET session_replication_role = replica",
    "SET temp_file_limit = -1",
    "SET log_statement = 'all'",
    "LOAD 'plpgsql'",
)

ROLES: Sequence[str] = (
    "GRANT {b} TO {a}",
    "GRANT {a} TO {b}",
    "GRANT {service} TO {a}",
    "GRANT pg_read_all_data TO {a}",
    "ALTER ROLE {b} PASSWORD 'mine'",
    "ALTER ROLE {b} SET search_path = {a}",
    "ALTER ROLE {service} PASSWORD 'mine'",
    "ALTER ROLE {a} CREATEROLE",
    "ALTER ROLE {a} CONNECTION LIMIT -1",
    "ALTER ROLE {a} VALID UNTIL 'infinity'",
    "ALTER ROLE {a} INHERIT",
    "ALTER ROLE {a} BYPASSRLS",
    "DROP ROLE {b}",
    "COMMENT ON ROLE {a} IS 'mine'",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {b} GRANT ALL ON TABLES TO {a}",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
)

FILES: Sequence[str] = (
    "COPY packages TO '/tmp/mine'",
    "COPY packages FROM '/etc/passwd'",
    "COPY packages TO PROGRAM 'cat'",
    "COPY packages FROM PROGRAM 'id'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT * FROM pg_ls_waldir()",
    "SELECT * FROM pg_ls_tmpdir()",
    "SELECT pg_current_logfile()",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_promote()",
    "SELECT pg_stat_reset()",
    "SELECT pg_log_backend_memory_contexts(1)",
    "SHOW data_directory",
    "SHOW hba_file",
)

LARGE_OBJECTS: Sequence[str] = (
    "SELECT lo_get({b_large_object})",
    "SELECT lo_open({b_large_object}, 262144)",
    "SELECT lo_put({b_large_object}, 0, 'x')",
    "SELECT lo_unlink({b_large_object})",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export({b_large_object}, '/tmp/mine')",
    "SELECT data FROM pg_largeobject",
    "ALTER LARGE OBJECT {b_large_object} OWNER TO {a}",
    "GRANT SELECT ON LARGE OBJECT {b_large_object} TO {a}",
)

OTHERS_PROCESSES: Sequence[str] = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{b}'",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '{b}'",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
    " WHERE usename = '{service}' AND pid <> pg_backend_pid()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    " OR usename IS NULL",
)

# what an older PostgreSQL, or one without extensions, refuses otherwise
OTHERWISE: Sequence[tuple[str, Sequence[str]]] = (
    ("SET search_path = {b}, public; SELECT 1 FROM execution_events_of_mine", (NO_TABLE,)),
    ("SET search_path = {b}; SELECT 1 FROM packages", (NO_TABLE,)),
    ("SET search_path = public; SELECT 1 FROM tenants", (NO_TABLE,)),
    ("SET search_path = pg_temp, {b}; SELECT 1 FROM packages", (NO_TABLE,)),
    ("CREATE EXTENSION dblink", (NO_RIGHT, "0A000")),
    ("CREATE EXTENSION postgres_fdw", (NO_RIGHT, "0A000")),
    ("CREATE EXTENSION file_fdw", (NO_RIGHT, "0A000")),
    ("CREATE EXTENSION plpython3u", (NO_RIGHT, "0A000")),
    ("SELECT dblink_connect('dbname=postgres')", ("42883",)),
    ("CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw", (NO_RIGHT, "42704")),
    ("CREATE USER MAPPING FOR {b} SERVER mine", (NO_RIGHT, "42704")),
    ("ALTER ROLE {a} RENAME TO mine", (NO_RIGHT, "0A000")),
    ("SELECT pg_create_logical_replication_slot('mine', 'pgoutput')", (NO_RIGHT, "55000")),
)

REFUSED = (
    *ROWS,
    *SEQUENCES,
    *MAKING,
    *CHANGING,
    *ROLES,
    *FILES,
    *LARGE_OBJECTS,
    *OTHERS_PROCESSES,
)
