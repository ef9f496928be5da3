"""What is refused about workflows and about the contexts that their tasks hand on."""

from cloacina.errors import InvalidInput, Unprocessable


class InvalidWorkflow(InvalidInput):
    """The workflow's tasks, dependencies, trigger rules or retries are wrong."""

    code = "invalid_workflow"


class ContextError(Unprocessable):
    """A context must be a JSON object, without NaN or Infinity."""


class ContextTooLarge(ContextError):
    """A context is over the size limit.

    Parameters:
        size: of the context's JSON text, in bytes of UTF-8.
        limit: that it must not pass, in bytes.
    """

    code = "context_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"context_too_large: the context is {size} bytes, over the limit of {limit} bytes. "
            "Keep large data elsewhere and hand on where it is."
        )
        self.size = size
        self.limit = limit
