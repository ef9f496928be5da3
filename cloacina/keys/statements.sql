-- What every request asks of keys.

-- name: verify
-- Finds a live key by its hash, with its tenant unless that is being deleted.
SELECT k.id AS key_id, k.name AS key_name, k.role, k.is_admin, k.tenant_name, k.revoked,
    k.created_at AS key_created_at, k.expires_at, k.last_used_at,
    (k.last_used_at IS NULL OR k.last_used_at < {after:ago_s}) AS use_is_news,
    t.id, t.name, t.schema_name, t.role_name, t.status, t.description, t.created_at,
    t.schema_version,
    COALESCE(t.migrating_until > {now}, FALSE) AS is_migrating, l.max_agents, l.max_concurrent_tasks,
    l.max_queued_executions, l.max_packages, l.max_storage_bytes, l.max_requests_per_s
FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id AND t.status <> 'deleting'
    LEFT JOIN limits l ON l.tenant_id = t.id
WHERE k.key_hash = :key_hash AND NOT k.revoked AND (k.expires_at IS NULL OR k.expires_at > {now})

-- name: note_use
UPDATE api_keys SET last_used_at = {now} WHERE id = :key_id
