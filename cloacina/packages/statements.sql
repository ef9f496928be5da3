-- What starting and running executions asks of packages.

-- name: find_active
-- The version that new executions of a workflow run, by its or its package's name; a workflow's own
-- name comes before another's package of that name. Until the transaction ends nobody deletes it.
SELECT id, paused, workflow_name, {now} AS moment FROM packages
WHERE active AND build_status = 'success' AND (workflow_name = :name OR package_name = :name)
ORDER BY workflow_name <> :name LIMIT 1 {keep:packages}

-- name: fetch
-- A version in any state; deleted ones too, since executions go on with them.
SELECT id, package_name, version, workflow_name, entry_module, description, content_hash,
    source_hash, build_status, build_error, active, paused, definition, workflow_version, created_at
FROM packages WHERE id = :package_id
