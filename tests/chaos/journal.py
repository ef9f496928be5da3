"""Reads what the tasks' bodies wrote down (see `workflows/witness.py`)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tests.chaos.evidence import Body


def read(lines: Iterable[str], ids: Mapping[str, str]) -> list[Body]:
    """Read a journal.

    Parameters:
        lines: the file's.
        ids: executions by the names that the harness gave them.

    Returns:
        The bodies, by the time of their begin.

    Raises:
        ValueError: a line is broken, which one write each does not allow.
    """
    bodies: dict[str, Body] = {}
    for line in lines:
        kind, run, task, token, *numbers, at = line.split()
        moment = float(at)
        if kind == "begin":
            worker, pid, slot = map(int, numbers)
            bodies[token] = Body(
                ids.get(run, run), task, token, worker, pid, slot, moment, moment, ended=False
            )
        else:
            ended = kind in {"end", "raise"}
            bodies[token] = replace(bodies[token], last=moment, ended=ended)
    return sorted(bodies.values(), key=lambda body: body.begin)


_SILENT_S = 0.5


def busy_slots(lines: Iterable[str], at: float) -> set[int]:
    """Give the slots whose tasks have shown life just before a moment and have not ended."""
    bodies = read(lines, {})
    return {body.slot for body in bodies if not body.ended and at - body.last < _SILENT_S}
