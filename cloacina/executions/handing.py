"""What a slot and the main process of its worker say to each other about a task that waits."""

import json
import socket
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from cloaca import _handover
from cloacina.executions.claims import ClaimRef
from cloacina.executions.log_sink import LogSink
from cloacina.sandbox.attempt import Attempt


@dataclass(frozen=True)
class Owner:
    """Whose a task is, and how its tables are reached."""

    id: UUID
    schema: str
    role: str


@dataclass(frozen=True)
class Taken:
    """A task that is handed over.

    Parameters:
        owner: whose it is.
        ref: names its claim.
        state, fds: of its child, for `Attempt.attach`.
        log: state of its log.
        left_s: seconds of its time limit that it has not used.
    """

    owner: Owner
    ref: ClaimRef
    state: dict[str, Any]
    fds: list[int]
    log: dict[str, Any]
    left_s: float


def hand_over(  # noqa: PLR0917  # the parts of one message
    peer: socket.socket,
    owner: Owner,
    ref: ClaimRef,
    attempt: Attempt,
    sink: LogSink,
    left_s: float,
) -> None:
    """Send a task to another process of the worker; the sender has nothing of it any more.

    Parameters:
        peer: to the other process.
        owner, ref, left_s: as for `Taken`.
        attempt, sink: the task's child and log.

    Raises:
        OSError: nobody listens; the child dies.
    """
    text = sink.detach()
    state, fds = attempt.detach()
    parts = {
        "op": "park",
        "owner": asdict(owner),
        "ref": asdict(ref),
        "state": state,
        "log": text,
        "left_s": left_s,
    }
    try:
        _handover.send(peer, json.dumps(parts, default=str).encode(), fds)
    finally:
        _handover.close_all(fds)


def read(message: bytes, fds: list[int]) -> Taken:
    """Read what `hand_over` sent."""
    parts = json.loads(message)
    owner, ref = parts["owner"], parts["ref"]
    return Taken(
        owner=Owner(UUID(owner["id"]), owner["schema"], owner["role"]),
        ref=ClaimRef(
            id=UUID(ref["id"]),
            token=UUID(ref["token"]),
            execution_id=UUID(ref["execution_id"]),
            task_id=ref["task_id"],
            attempt=ref["attempt"],
        ),
        state=parts["state"],
        fds=fds,
        log=parts["log"],
        left_s=parts["left_s"],
    )
