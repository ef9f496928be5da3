"""Says for people how a child ended."""

import signal

from cloaca._frames import LOST_CHANNEL
from cloacina.sandbox.errors import ChildDied, LeaseOver, ScratchFull


def death(ended: str | None, *, is_nanny_there: bool) -> ChildDied:
    """Say how a process ended that had not answered yet.

    Parameters:
        ended: the line that its nanny told, as `cloaca/_nanny.py` describes it; None: it told none.
        is_nanny_there: whether it could have.
    """
    if ended is not None and ended.startswith("ended scratch "):
        too_much = ended.removeprefix("ended scratch ")
        return ScratchFull(f"the task's scratch folder held more than {too_much}")
    text = f"the process that ran the code {_how(ended, is_nanny_there)}"
    return LeaseOver(text) if ended == "ended lease" else ChildDied(text)


def _how(ended: str | None, is_nanny_there: bool) -> str:
    if ended is None:
        return (
            "closed its channel to the worker"
            if is_nanny_there
            else "was killed with the sandbox host"
        )
    _, how, *rest = ended.split(" ")
    if how == "exit":
        why = (
            ", perhaps since it closed its channel to the worker"
            if int(rest[0]) == LOST_CHANNEL
            else ""
        )
        return f"ended with exit code {rest[0]} before it answered{why}"
    if how == "signal":
        number = int(rest[0])
        why = ", perhaps for want of memory" if number == signal.SIGKILL else ""
        return f"ended by {_signal_name(number)} before it answered{why}"
    return "was killed: its worker did not respond"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
