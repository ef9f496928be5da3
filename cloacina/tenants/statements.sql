-- What every hint and every execution asks of tenants.

-- name: enter
-- Finds a tenant in any state and acts as its role from then on; for one that is gone nothing is
-- set, and what follows is refused, since the service has no rights on tenants' tables.
SELECT set_config('role', role_name, true) AS role,
    set_config('search_path', '"' || replace(schema_name, '"', '""') || '"', true) AS path,
    set_config('statement_timeout', :timeout, true) AS timeout,
    set_config('lock_timeout', :lock_timeout, true) AS lock_timeout,
    set_config('idle_in_transaction_session_timeout', :idle_timeout, true) AS idle,
    {by_indexes},
    t.id, t.name, t.schema_name, t.role_name, t.status, t.description, t.created_at, t.schema_version,
    COALESCE(t.migrating_until > {now}, FALSE) AS is_migrating, l.max_agents, l.max_concurrent_tasks,
    l.max_queued_executions, l.max_packages, l.max_storage_bytes, l.max_requests_per_s
FROM public.tenants t LEFT JOIN public.limits l ON l.tenant_id = t.id WHERE t.id = :tenant_id
-- sqlite:
SELECT t.id, t.name, t.schema_name, t.role_name, t.status, t.description, t.created_at, t.schema_version,
    COALESCE(t.migrating_until > {now}, FALSE) AS is_migrating, l.max_agents, l.max_concurrent_tasks,
    l.max_queued_executions, l.max_packages, l.max_storage_bytes, l.max_requests_per_s
FROM tenants t LEFT JOIN limits l ON l.tenant_id = t.id WHERE t.id = :tenant_id

-- name: re_enter
-- Acts as the role of a tenant that is known, and gives the state that it is in by now.
SELECT set_config('role', :role, true) AS role, set_config('search_path', :path, true) AS path,
    set_config('statement_timeout', :timeout, true) AS timeout,
    set_config('lock_timeout', :lock_timeout, true) AS lock_timeout,
    set_config('idle_in_transaction_session_timeout', :idle_timeout, true) AS idle,
    {by_indexes},
    (SELECT status FROM public.tenants WHERE id = :tenant_id) AS status
-- sqlite:
SELECT status FROM tenants WHERE id = :tenant_id

-- name: find
SELECT t.id, t.name, t.schema_name, t.role_name, t.status, t.description, t.created_at, t.schema_version,
    COALESCE(t.migrating_until > {now}, FALSE) AS is_migrating, l.max_agents, l.max_concurrent_tasks,
    l.max_queued_executions, l.max_packages, l.max_storage_bytes, l.max_requests_per_s
FROM tenants t LEFT JOIN limits l ON l.tenant_id = t.id
WHERE t.name = :name AND t.status <> 'deleting'

-- name: wake
-- Moves a tenant's wake-up earlier, never later.
UPDATE tenant_wakeups SET due_at = {after:in_s}
WHERE tenant_id = :tenant_id AND due_at > {after:in_s}

-- name: wakeup
SELECT due_at, reconcile_at FROM tenant_wakeups WHERE tenant_id = :tenant_id

-- name: put_off
-- Sets when a tenant is next due, unless somebody has moved that moment since it was read. Whoever
-- had work since then has not moved a moment that was near enough for him: such a one stays.
UPDATE tenant_wakeups
SET due_at = CASE
    WHEN CAST(:in_s AS double precision) IS NULL OR reconcile_at < {after:in_s} THEN reconcile_at ELSE {after:in_s} END
WHERE tenant_id = :tenant_id AND due_at = :seen AND due_at > {after:least_s}

-- name: keep_limits
-- Makes the row of a tenant's own limits, where there is none yet.
INSERT INTO limits (tenant_id) VALUES (:tenant_id) ON CONFLICT DO NOTHING
