"""What came of an attempt, from what its process answered or how it failed."""

from collections.abc import Mapping

from cloacina.dag.context import parse_context
from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.executions.claims import Completed, Failed, Outcome
from cloacina.packages.errors import InvalidPackage
from cloacina.sandbox.errors import ChildDied, ChildTimedOut, LoadFailed, ScratchFull

CANNOT_RUN = (ContextTooLarge, InvalidPackage, LoadFailed, ChildDied, ChildTimedOut, OSError)
"""What can keep a task from giving an answer."""


def of_answer(answer: Mapping[str, object], input_context: str, max_context_bytes: int) -> Outcome:
    """Judge a child's answer, which tenants' code may have forged.

    Parameters:
        answer: as `cloaca/_serve.py` describes it.
        input_context: the task's input, which is its output too where it gave none.
        max_context_bytes: the size limit.
    """
    if answer.get("ok") is not True:
        return _raised(answer.get("error"))
    context = answer.get("context")
    # what was handed through is measured too: merged, several outputs may be too much
    text = input_context if context is None else str(context)
    try:
        parse_context(text, max_context_bytes)
    except ContextError as error:
        return Failed(error.message, retryable=False)
    return Completed(text)


def _raised(error: object) -> Failed:
    if not isinstance(error, dict):
        return Failed("process_died: the process that ran the code sent an answer of a wrong form")
    kind, message = str(error.get("type")), str(error.get("message") or "")
    return Failed(
        f"{kind}: {message}" if message else kind,
        str(error.get("traceback") or ""),
        retryable=error.get("retryable") is True,
    )


def of_failure(error: BaseException, timeout_s: float) -> Failed:
    """Say why there is no answer.

    Parameters:
        error: one of `CANNOT_RUN`.
        timeout_s: seconds that the task had.
    """
    match error:
        case ContextTooLarge():
            return Failed(error.message, retryable=False)
        case ChildTimedOut():
            return Failed(f"timeout: the task took longer than {timeout_s:g} s and was killed")
        case ChildDied():
            return _died(error)
        case LoadFailed():
            return Failed(f"the package cannot be loaded: {error.message}", error.traceback)
        case InvalidPackage():
            return Failed(f"the package cannot be unpacked: {error.message}")
        case OSError():
            # without the path: where the server keeps things is not the tenant's concern
            return Failed(f"the task cannot be started: {error.strerror}")
    raise error


def _died(error: ChildDied) -> Failed:
    if isinstance(error, ScratchFull):
        # the folder was empty at first: another attempt would fill it, and the disk, again
        return Failed(f"scratch_full: {error.message}", retryable=False)
    return Failed(f"process_died: {error.message}")
