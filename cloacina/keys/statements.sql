-- What every request asks of keys.

-- name: verify
-- Finds a live key by its hash, with its tenant while that is active.
SELECT k.id, k.name, k.role, k.is_admin, k.tenant_name, k.revoked, k.created_at, k.expires_at,
    k.last_used_at, (k.last_used_at IS NULL OR k.last_used_at < {after:ago_s}) AS use_is_news,
    t.id AS tenant_uuid, t.schema_name, t.role_name, t.status, t.description,
    t.created_at AS tenant_created_at, t.schema_version
FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id AND t.status = 'active'
WHERE k.key_hash = :key_hash AND NOT k.revoked AND (k.expires_at IS NULL OR k.expires_at > {now})

-- name: note_use
UPDATE api_keys SET last_used_at = {now} WHERE id = :key_id
