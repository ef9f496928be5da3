-- What every hint and every execution asks of tenants.

-- name: enter
-- Finds a tenant and acts as its role from then on; for one that is gone nothing is set, and what
-- follows is refused, since the service has no rights on tenants' tables. `slots` are those of the
-- live workers that serve it.
SELECT set_config('role', role_name, true) AS role,
    set_config('search_path', '"' || replace(schema_name, '"', '""') || '"', true) AS path,
    set_config('statement_timeout', :timeout, true) AS timeout,
    set_config('lock_timeout', :lock_timeout, true) AS lock_timeout,
    set_config('idle_in_transaction_session_timeout', :idle_timeout, true) AS idle,
    id, name, schema_name, role_name, status, description, created_at, schema_version,
    (SELECT sum(concurrency) FROM public.workers
        WHERE heartbeat_at > {after:silence_s} AND (tenant_names IS NULL
            OR strpos(',' || tenant_names || ',', ',' || t.name || ',') > 0)) AS slots
FROM public.tenants t WHERE id = :tenant_id AND status = 'active'
-- sqlite:
SELECT id, name, schema_name, role_name, status, description, created_at, schema_version,
    (SELECT sum(concurrency) FROM workers WHERE heartbeat_at > {after:silence_s}) AS slots
FROM tenants t WHERE id = :tenant_id AND status = 'active'

-- name: find
SELECT id, name, schema_name, role_name, status, description, created_at, schema_version
FROM tenants WHERE name = :name AND status = 'active'

-- name: wake
-- Moves a tenant's wake-up earlier, never later.
UPDATE tenant_wakeups SET due_at = {after:in_s}
WHERE tenant_id = :tenant_id AND due_at > {after:in_s}

-- name: wakeup
SELECT due_at, reconcile_at FROM tenant_wakeups WHERE tenant_id = :tenant_id

-- name: put_off
-- Sets when a tenant is next due, unless somebody has moved that moment since it was read.
UPDATE tenant_wakeups
SET due_at = CASE
    WHEN CAST(:in_s AS double precision) IS NULL OR reconcile_at < {after:in_s} THEN reconcile_at ELSE {after:in_s} END
WHERE tenant_id = :tenant_id AND due_at = :seen
