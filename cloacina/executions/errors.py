"""What can go wrong with executions."""

from uuid import UUID

from cloacina.errors import CloacinaError, Conflict, InvalidInput, NotFound


class ExecutionNotFound(NotFound):
    """There is no such execution."""

    code = "execution_not_found"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(f"execution '{execution_id}' not found")


class WorkflowInputInvalid(InvalidInput):
    """The context does not fit the workflow's declared params."""

    code = "workflow_input_invalid"


class IdempotencyKeyReused(Conflict):
    """This idempotency key was used for another request; choose a new one for each request."""

    code = "idempotency_key_reused"


class LostClaim(CloacinaError):
    """The claim was given to somebody else meanwhile; what came of it is not stored."""

    code = "lost_claim"
