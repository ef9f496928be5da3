"""Says for people how a child ended."""

import signal


def in_words(ended: str | None, *, is_nanny_there: bool) -> str:
    """Say how a process ended that had not answered yet.

    Parameters:
        ended: the line that its nanny told, as `cloaca/_nanny.py` describes it; None: it told none.
        is_nanny_there: whether it could have.
    """
    if ended is None:
        how = "closed its channel" if is_nanny_there else "was killed with the sandbox host"
        return f"the process that ran the code {how}"
    _, how, *rest = ended.split(" ")
    if how == "exit":
        return f"the process that ran the code ended with exit code {rest[0]} before it answered"
    if how == "signal":
        number = int(rest[0])
        why = ", perhaps for want of memory" if number == signal.SIGKILL else ""
        name = _signal_name(number)
        return f"the process that ran the code ended by {name} before it answered{why}"
    return "the process that ran the code was killed: its worker did not respond"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
