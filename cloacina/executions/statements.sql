-- The engine's statements. Whoever changes an execution or its tasks has locked the execution's row
-- before, with `lock_execution` or `lock_ready`: so events have no gaps, joins see each other's
-- ends, and nothing deadlocks.

-- name: lock_execution
-- Locks an execution; what follows in the transaction sees its tasks as they are from then on.
SELECT id, package_id, status, last_event, open_tasks, failed_tasks, skipped_tasks, deadline_at,
    paused_at, {now} AS moment
FROM workflow_executions WHERE id = :execution_id {lock}

-- name: lock_executions
-- Locks several, always in the same order.
SELECT id FROM workflow_executions WHERE id {any:execution_ids} ORDER BY id {lock}

-- name: lock_ready
-- Locks the task that waits longest, and its execution, passing over what others look at. In the
-- very order of an index: of ten thousand tasks that wait, one is read. (IS TRUE: for PostgreSQL
-- not to look for the execution in an index of all that are open, should it think that few are.)
SELECT e.id, e.package_id, e.status, e.last_event, e.open_tasks, e.failed_tasks, e.skipped_tasks,
    e.deadline_at, e.paused_at, {now} AS moment, t.task_id, t.attempt
FROM task_executions t JOIN workflow_executions e ON e.id = t.execution_id
WHERE t.status = 'Ready' AND t.ready_at <= {start} AND (e.status IN ('Pending', 'Running')) IS TRUE
    AND e.id <> :execution_id
ORDER BY t.ready_at LIMIT 1 {lock:e, t}

-- name: pick_ready
-- Gives the next ready task of an execution that is locked.
SELECT task_id, attempt FROM task_executions
WHERE execution_id = :execution_id AND status = 'Ready' AND ready_at <= {start}
ORDER BY position LIMIT 1

-- name: is_any_ready
SELECT EXISTS (SELECT 1 FROM task_executions WHERE status = 'Ready' AND ready_at <= {start}) AS found

-- name: lock_claims
-- Lets one claim after another be counted against a tenant's most running tasks. An advisory lock
-- would be anybody's to take who logs in to the database; a table is its own tenant's alone. This
-- mode holds up nobody who reads or writes, only the next claim and, for a moment, a vacuum.
LOCK TABLE packages IN SHARE UPDATE EXCLUSIVE MODE
-- sqlite:
SELECT 1 AS done

-- name: count_running
SELECT count(*) AS running FROM task_executions
WHERE status = 'Running' AND sub_status = 'Active'

-- name: count_open
-- Counts the executions that have not ended, no further than to `most`.
SELECT count(*) AS found FROM (
    SELECT 1 FROM workflow_executions WHERE status IN ('Pending', 'Running', 'Paused') LIMIT :most
) counted

-- name: claim_task
UPDATE task_executions
SET status = 'Running', sub_status = 'Active', attempt = :attempt, claim_token = :token,
    worker = :worker, lease_until = {after:lease_s}, started_at = :moment, updated_at = :moment,
    ready_at = NULL, open_dependencies = 0
WHERE execution_id = :execution_id AND task_id = :task_id RETURNING id AS task_uuid

-- name: show
SELECT e.id, e.workflow_name, e.status, e.started_at, e.completed_at, e.trigger_origin,
    p.package_name, e.workflow_version, COALESCE(e.final_context, e.input_context) AS context,
    e.error, e.rerun_of
FROM workflow_executions e JOIN packages p ON p.id = e.package_id WHERE e.id = :execution_id

-- name: of_execution
SELECT package_id, open_tasks FROM workflow_executions WHERE id = :execution_id

-- name: root_input
SELECT input_context AS text, {octets:input_context} AS total
FROM workflow_executions WHERE id = :execution_id

-- name: outputs
-- Gives the stored outputs of those of these tasks that Completed; without the texts where all of
-- them together are more than anyone would want to read.
SELECT task_id, CASE WHEN total <= :most_bytes THEN output_context END AS text, total
FROM (
    SELECT task_id, output_context, sum({octets:output_context}) OVER () AS total
    FROM task_executions
    WHERE execution_id = :execution_id AND task_id {any:task_ids} AND status = 'Completed'
) found

-- name: statuses
SELECT task_id, status FROM task_executions
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: open_dependencies
SELECT task_id, open_dependencies FROM task_executions
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: renew
UPDATE task_executions SET lease_until = {after:lease_s}
WHERE id {any:task_uuids} AND claim_token {any:tokens} AND status = 'Running'
RETURNING claim_token

-- name: defer
-- Notes that a claimed task waits without a slot, or works again.
UPDATE task_executions
SET sub_status = :sub_status, lease_until = {after:lease_s}, updated_at = {now}
WHERE id = :task_uuid AND claim_token = :token AND status = 'Running' RETURNING id

-- name: complete
UPDATE task_executions
SET status = 'Completed', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    output_context = :output, last_error = NULL, error_details = NULL, completed_at = {now},
    updated_at = {now}
WHERE id = :task_uuid AND claim_token = :token AND status = 'Running' RETURNING id

-- name: fail
UPDATE task_executions
SET status = 'Failed', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    last_error = :error, error_details = :details, completed_at = {now}, updated_at = {now}
WHERE id = :task_uuid AND claim_token = :token AND status = 'Running' RETURNING id

-- name: retry
UPDATE task_executions
SET status = 'Ready', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    last_error = :error, error_details = :details, ready_at = {after:delay_s}, updated_at = {now}
WHERE id = :task_uuid AND claim_token = :token AND status = 'Running' RETURNING ready_at

-- name: give_back
-- A claim that ends without an outcome costs the task no attempt.
UPDATE task_executions
SET status = 'Ready', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    attempt = attempt - 1, resets = resets + :lost, ready_at = :ready_at, updated_at = {now}
WHERE id = :task_uuid AND claim_token = :token AND status = 'Running' RETURNING id

-- name: lost_executions
-- A database that was away is back for a while before its absence is held against anyone.
SELECT DISTINCT execution_id FROM task_executions
WHERE status = 'Running' AND lease_until < {start}
    AND pg_postmaster_start_time() < {now} - make_interval(secs => :grace_s)
LIMIT :most
-- sqlite:
SELECT DISTINCT execution_id FROM task_executions
WHERE status = 'Running' AND lease_until < {start} LIMIT :most

-- name: lost_claims
SELECT id AS task_uuid, task_id, claim_token, resets FROM task_executions
WHERE execution_id = :execution_id AND status = 'Running' AND lease_until < {start}
ORDER BY position {lock}

-- name: overdue_executions
SELECT id FROM workflow_executions
WHERE status = 'Running' AND deadline_at < {start} ORDER BY deadline_at LIMIT :most

-- name: open_tasks
SELECT id AS task_uuid, task_id, status FROM task_executions
WHERE execution_id = :execution_id AND status IN ('NotStarted', 'Ready', 'Running')
ORDER BY position

-- name: make_ready
UPDATE task_executions
SET status = 'Ready', ready_at = :ready_at, open_dependencies = 0, updated_at = :moment
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: skip
UPDATE task_executions
SET status = 'Skipped', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    open_dependencies = 0, completed_at = :moment, updated_at = :moment
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: time_out
UPDATE task_executions
SET status = 'Failed', sub_status = NULL, claim_token = NULL, lease_until = NULL,
    last_error = :error, error_details = NULL, completed_at = :moment, updated_at = :moment
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: count_down
UPDATE task_executions SET open_dependencies = :remaining, updated_at = :moment
WHERE execution_id = :execution_id AND task_id {any:task_ids}

-- name: hold_ready
-- No claim looks at what has no time to begin at; waits of retries go on.
UPDATE task_executions SET ready_at = NULL, updated_at = :moment
WHERE execution_id = :execution_id AND status = 'Ready' AND ready_at <= :moment

-- name: release_ready
UPDATE task_executions SET ready_at = :moment, updated_at = :moment
WHERE execution_id = :execution_id AND status = 'Ready' AND ready_at IS NULL

-- name: update_execution
UPDATE workflow_executions
SET status = :status, last_event = :last_event, open_tasks = :open_tasks,
    failed_tasks = :failed_tasks, skipped_tasks = :skipped_tasks, deadline_at = :deadline_at,
    paused_at = :paused_at
WHERE id = :execution_id

-- name: end_execution
UPDATE workflow_executions
SET status = :status, last_event = :last_event, open_tasks = :open_tasks,
    failed_tasks = :failed_tasks, skipped_tasks = :skipped_tasks, error = :error,
    final_context = COALESCE(:final_context, input_context), completed_at = :moment,
    paused_at = NULL
WHERE id = :execution_id

-- name: insert_events
INSERT INTO execution_events
    (id, execution_id, sequence_num, event_type, event_data, task_id, created_at)
SELECT gen_random_uuid(), :execution_id, :first + n - 1, kind, data, task_id, :moment
FROM unnest(:kinds::text[], :datas::text[], :task_ids::text[])
    WITH ORDINALITY AS e(kind, data, task_id, n)
-- sqlite:
INSERT INTO execution_events
    (id, execution_id, sequence_num, event_type, event_data, task_id, created_at)
SELECT {uuid}, :execution_id, :first + k.key, k.value,
    json_extract(:datas, '$[' || k.key || ']'), json_extract(:task_ids, '$[' || k.key || ']'),
    :moment
FROM json_each(:kinds) k

-- name: insert_execution
INSERT INTO workflow_executions
    (id, package_id, workflow_name, workflow_version, status, trigger_origin, request_id,
    idempotency_key, request_hash, input_context, open_tasks, failed_tasks, skipped_tasks,
    last_event, started_at, rerun_of)
VALUES (:execution_id, :package_id, :workflow_name, :workflow_version, :status, :origin,
    :request_id, :idempotency_key, :request_hash, :input_context, :open_tasks, :failed_tasks,
    :skipped_tasks, :last_event, :moment, :rerun_of)

-- name: insert_tasks
INSERT INTO task_executions
    (id, execution_id, task_id, position, status, open_dependencies, attempt, max_attempts, resets,
    ready_at, completed_at, created_at, updated_at)
SELECT gen_random_uuid(), :execution_id, task_id, n - 1, status, open_dependencies, 0,
    max_attempts, 0, CASE WHEN status = 'Ready' THEN :moment::timestamptz END,
    CASE WHEN status IN ('Completed', 'Skipped') THEN :moment::timestamptz END, :moment, :moment
FROM unnest(:task_ids::text[], :statuses::text[], :open_dependencies::int[], :max_attempts::int[])
    WITH ORDINALITY AS t(task_id, status, open_dependencies, max_attempts, n)
-- sqlite:
INSERT INTO task_executions
    (id, execution_id, task_id, position, status, open_dependencies, attempt, max_attempts, resets,
    ready_at, completed_at, created_at, updated_at)
SELECT {uuid}, :execution_id, k.value, k.key, s.status,
    json_extract(:open_dependencies, '$[' || k.key || ']'), 0,
    json_extract(:max_attempts, '$[' || k.key || ']'), 0,
    CASE WHEN s.status = 'Ready' THEN :moment END,
    CASE WHEN s.status IN ('Completed', 'Skipped') THEN :moment END, :moment, :moment
FROM json_each(:task_ids) k
    JOIN (SELECT key, value AS status FROM json_each(:statuses)) s ON s.key = k.key

-- name: copy_outputs
-- Takes over what completed tasks of another execution gave.
UPDATE task_executions
SET output_context = origin.output_context, attempt = origin.attempt,
    started_at = origin.started_at
FROM task_executions AS origin
WHERE origin.execution_id = :rerun_of AND origin.task_id = task_executions.task_id
    AND task_executions.execution_id = :execution_id AND origin.status = 'Completed'
    AND task_executions.status = 'Completed'

-- name: origin
-- What a rerun needs to know of the execution that it repeats; nobody deletes the package meanwhile.
SELECT e.id, e.package_id, e.workflow_name, e.status, e.input_context, {now} AS moment,
    p.deleted_at IS NOT NULL AS package_is_gone,
    EXISTS (SELECT 1 FROM packages a
        WHERE a.workflow_name = e.workflow_name AND a.active AND a.paused) AS is_paused
FROM workflow_executions e JOIN packages p ON p.id = e.package_id WHERE e.id = :execution_id {keep:p}

-- name: ended_tasks
-- Tasks that Completed, or that their rules skipped; not those that a cancel or a time limit did.
-- Of a skipped task that was itself taken over from an earlier run there is no event.
SELECT task_id, status FROM task_executions t
WHERE execution_id = :execution_id AND (status = 'Completed' OR status = 'Skipped' AND NOT EXISTS (
    SELECT 1 FROM execution_events e
    WHERE e.execution_id = t.execution_id AND e.task_id = t.task_id
        AND e.event_type = 'task_skipped' AND e.event_data NOT LIKE :by_rule))

-- name: forget_key
-- An idempotency key is remembered for a day.
UPDATE workflow_executions SET idempotency_key = NULL
WHERE idempotency_key = :key AND started_at < {after:ago_s}

-- name: find_key
SELECT id, workflow_name, request_hash FROM workflow_executions WHERE idempotency_key = :key

-- name: lock_for_log
-- Serials of an execution's lines become visible in their own order: whoever has read up to one
-- never misses a lower one that is committed later. Others may go on to point at the row.
SELECT id FROM workflow_executions WHERE id = :execution_id FOR NO KEY UPDATE
-- sqlite:
SELECT id FROM workflow_executions WHERE id = :execution_id

-- name: append_log
-- The ages of all lines are taken from one moment: so their distances stay as they were.
INSERT INTO task_logs (execution_id, task_id, attempt, stream, at, line)
SELECT :execution_id, :task_id, :attempt, stream,
    statement_timestamp() - make_interval(secs => age), line
FROM unnest(:streams::text[], :ages::float8[], :lines::text[])
    WITH ORDINALITY AS l(stream, age, line, n)
ORDER BY n
-- sqlite:
INSERT INTO task_logs (execution_id, task_id, attempt, stream, at, line)
SELECT :execution_id, :task_id, :attempt, json_extract(:streams, '$[' || l.key || ']'),
    {before:json_extract(:ages, '$[' || l.key || ']')}, l.value
FROM json_each(:lines) l ORDER BY l.key

-- name: next_due
-- When the tenant's executions want a look next; no row where none is open.
SELECT {now} AS moment,
    (SELECT min(ready_at) FROM task_executions WHERE status = 'Ready') AS ready_at,
    (SELECT min(lease_until) FROM task_executions WHERE status = 'Running') AS lease_until,
    (SELECT min(deadline_at) FROM workflow_executions WHERE status = 'Running') AS deadline_at
WHERE EXISTS (SELECT 1 FROM workflow_executions WHERE status IN ('Pending', 'Running'))
    OR EXISTS (SELECT 1 FROM task_executions WHERE status = 'Running')
