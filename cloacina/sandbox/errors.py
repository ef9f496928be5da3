"""How a child process can fail its caller."""

from collections.abc import Mapping
from typing import Any

from cloacina.errors import CloacinaError


class ChildError(CloacinaError):
    """The process that ran the task's code failed."""

    code = "child_error"


class ChildDied(ChildError):
    """The process that ran the task's code ended before it answered."""


class ScratchFull(ChildDied):
    """The task's code left too much in its scratch folder and was killed."""


class LeaseOver(ChildDied):
    """The process was killed with its lease, since nobody had extended that in time."""


class ChildTimedOut(ChildError):
    """The task's code took too long and was killed."""


class ChildAbandoned(ChildError):
    """The task's code was killed because its result is not wanted any more."""


class LoadFailed(ChildError):
    """The package's code cannot be loaded.

    Parameters:
        error: `type`, `message` and `traceback`, as the child reports them.

    Attributes:
        traceback: of the package's own frames.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('type')}: {error.get('message')}")
        self.traceback = str(error.get("traceback") or "")
