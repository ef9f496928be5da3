"""Holds a tenant to how many executions it may have that have not ended.

What is just being accepted elsewhere is not seen: requests that come at once may pass the limit
together. So nobody waits for a lock, and a count costs no more than its limit.
"""

from collections.abc import Sequence

from cloacina.db import Call, Row
from cloacina.executions.errors import QueueFull
from cloacina.executions.transition import SQL


def count_call(most: int) -> Call:
    """Count the executions that have not ended, up to so many; `check` reads the answer."""
    return Call(SQL.count_open, {"most": most})


def check(rows: Sequence[Row], most: int) -> None:
    """Make sure that the tenant may have one more execution.

    Parameters:
        rows: what `count_call` gave.
        most: how many it may have.

    Raises:
        QueueFull: it has them.
    """
    if rows[0].found >= most:
        raise QueueFull(most)
