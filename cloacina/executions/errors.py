"""What can go wrong with executions."""

from uuid import UUID

from cloacina.errors import CloacinaError, Conflict, InvalidInput, LimitReached, NotFound


class ExecutionNotFound(NotFound):
    """There is no such execution."""

    code = "execution_not_found"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(f"execution '{execution_id}' not found")


class WorkflowInputInvalid(InvalidInput):
    """The context does not fit the workflow's declared params."""

    code = "workflow_input_invalid"


class QueueFull(LimitReached):
    """The tenant has as many executions that have not ended as it may have."""

    code = "queue_full"
    retry_after_s = 5

    def __init__(self, most: int) -> None:
        super().__init__(
            f"this tenant has {most:,} executions that have not ended, and may have no more:"
            " wait until some have ended or cancel some, or ask an operator of this server to raise"
            " max_queued_executions"
        )


class IdempotencyKeyReused(Conflict):
    """This idempotency key was used for another request; choose a new one for each request."""

    code = "idempotency_key_reused"


class _NotInThisState(Conflict):
    """An execution's state does not allow what was asked."""

    doing = ""

    def __init__(self, execution_id: UUID, status: str) -> None:
        super().__init__(f"execution '{execution_id}' is {status} and cannot be {self.doing}")


class ExecutionNotCancellable(_NotInThisState):
    """It has ended."""

    code = "execution_not_cancellable"
    doing = "cancelled"


class ExecutionNotPausable(_NotInThisState):
    """It is paused already, or has ended."""

    code = "execution_not_pausable"
    doing = "paused"


class ExecutionNotResumable(_NotInThisState):
    """It is not paused."""

    code = "execution_not_resumable"
    doing = "resumed"


class ExecutionNotRerunnable(Conflict):
    """It has not ended, nothing in it failed, or what it ran was deleted."""

    code = "execution_not_rerunnable"


class LostClaim(CloacinaError):
    """The claim was given to somebody else meanwhile; what came of it is not stored."""

    code = "lost_claim"
