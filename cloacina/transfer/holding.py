"""Holds what was open when it was exported: it may go on running where it came from."""

from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

_REASON: Final = '{"reason": "tenant_imported"}'

# A claim is the old server's: the task is given back, as one of a worker that stopped. Then the
# execution is paused, if it was not so already.
_NOTE = text(
    """
    INSERT INTO execution_events
        (id, execution_id, sequence_num, event_type, event_data, task_id, created_at)
    SELECT gen_random_uuid(), id, last_event + row_number() OVER (PARTITION BY id ORDER BY place),
        kind, :reason, task_id, now()
    FROM (
        SELECT e.id, e.last_event, t.position AS place, 'task_reset' AS kind, t.task_id
        FROM workflow_executions e JOIN task_executions t ON t.execution_id = e.id
        WHERE t.status = 'Running'
        UNION ALL
        SELECT id, last_event, NULL, 'workflow_paused', NULL
        FROM workflow_executions WHERE status IN ('Pending', 'Running')
    ) news
    ORDER BY id, place
    """
)
# the pause begins with the export: so no time limit counts the way from there to here
_PAUSE = text(
    """
    UPDATE workflow_executions e
    SET status = 'Paused',
        paused_at = CASE WHEN status = 'Paused' THEN COALESCE(paused_at, :exported_at)
            ELSE :exported_at END,
        last_event = (SELECT max(sequence_num) FROM execution_events v WHERE v.execution_id = e.id)
    WHERE status IN ('Pending', 'Running', 'Paused')
    """
)
_GIVE_BACK = text(
    """
    UPDATE task_executions
    SET status = 'Ready', attempt = attempt - 1, open_dependencies = 0, ready_at = NULL,
        updated_at = now()
    WHERE status = 'Running'
    """
)
# waits of retries go on, as in any pause
_HOLD = text(
    """
    UPDATE task_executions SET ready_at = NULL, updated_at = now()
    WHERE status = 'Ready' AND ready_at <= now()
    """
)


def hold_open(session: Session, exported_at: datetime) -> int:
    """Pause every execution that has not ended, and let nobody hold a claim.

    Parameters:
        session: acts as the tenant.
        exported_at: the moment that the export shows.

    Returns:
        How many executions are paused now.
    """
    session.execute(_NOTE, {"reason": _REASON})
    paused = session.execute(_PAUSE, {"exported_at": exported_at})
    session.execute(_GIVE_BACK)
    session.execute(_HOLD)
    return cast("CursorResult[Any]", paused).rowcount
