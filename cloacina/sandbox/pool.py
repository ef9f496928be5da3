"""One slot's way to children, which are borrowed from the worker's sandbox host."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloacina.sandbox.attempt import Attempt
from cloacina.sandbox.code import Code
from cloacina.sandbox.errors import ChildAbandoned, ChildDied, LoadFailed
from cloacina.sandbox.host import Host
from cloacina.sandbox.loan import HostLost, Loan, OnOutput

__all__ = ["Code", "Sandbox"]

LOAD_TIMEOUT_S = 60
"""Seconds that importing a package may take (spec: Validation)."""

LOOK_EVERY_S = 2.0
"""Seconds between two questions whether a package that is being loaded is still wanted."""

VARIABLE_PREFIX = "CLOACINA_VAR_"

_TRIES = 3
_SPARE_S = 5.0


def server_variables() -> dict[str, str]:
    """Give the variables of this process that tenants' code may read."""
    return {name: text for name, text in os.environ.items() if name.startswith(VARIABLE_PREFIX)}


class Sandbox:
    """One slot's way to children; it holds the one that it used last.

    Parameters:
        host: the worker's.
        variables: the `CLOACINA_VAR_…` that tenants' code may read; None: this process's.
    """

    def __init__(self, host: Host, variables: Mapping[str, str] | None = None) -> None:
        self._host = host
        self.variables = dict(server_variables() if variables is None else variables)
        self._held: _Held | None = None
        self._rested = ("", 0)

    def load(self, code: Code) -> dict[str, Any]:
        """Load a package and give the definition of its workflow.

        Raises:
            LoadFailed: the code raised, took too long, or registered no workflow that can be used.
            ChildError: the process died.
            OSError: the host cannot be asked.
        """
        self.rest()
        loan = self._borrow(self._key(code))
        while loan.used:
            # of an earlier build; a process loads its package once
            loan.kill()
            loan = self._borrow(self._key(code))
        lease_s = LOAD_TIMEOUT_S + _SPARE_S
        definition = _load(loan, code, lambda: time.monotonic() + lease_s, lambda: True)
        loan.rest()
        self._rested = (self._key(code), loan.nanny)
        return definition

    def start(
        self,
        code: Code,
        task_id: str,
        context: str,
        *,
        lease: Callable[[], float],
        on_output: OnOutput,
        still_wanted: Callable[[], bool],
    ) -> Attempt:
        """Begin to run one task in a child of its package.

        Parameters:
            code: the package.
            task_id: the task.
            context: its input, as JSON text.
            lease: gives the moment, by the monotonic clock, at which the child is killed.
            on_output: gets ("stdout" | "stderr", bytes) of what it writes.
            still_wanted: asked every few seconds while the package is loaded, which extends the
                lease; False kills the child.

        Returns:
            The running task.

        Raises:
            LoadFailed: the code cannot be loaded.
            ChildAbandoned: it was not wanted any more.
            ChildDied: the process died.
            OSError: the host cannot be asked.
        """
        key = self._key(code)
        loan = self._reuse(key) or self._borrow(key)
        loan.on_output = on_output
        if loan.used:
            loan.extend(lease())
        else:
            _load(loan, code, lease, still_wanted)
        attempt = Attempt(loan)
        self._held = _Held(key, loan, attempt)
        try:
            if time.monotonic() >= lease():
                # this process was stopped, or took very long to get here
                raise ChildAbandoned
            loan.send({"op": "run", "task": task_id, "context": context})
        except BaseException:
            attempt.kill()
            raise
        return attempt

    def rest(self) -> None:
        """Give back the child that this slot holds, if any; what still runs in it goes on."""
        held, self._held = self._held, None
        if held is None:
            return
        if held.attempt.is_over:
            if not held.loan.closed:
                self._rested = (held.key, held.loan.nanny)
            held.loan.rest()
        else:
            held.attempt.leave_slot()

    def close(self) -> None:
        """Let go of everything; what still runs is killed."""
        if self._held is not None and not self._held.attempt.is_over:
            self._held.attempt.kill()
        self.rest()

    def _key(self, code: Code) -> str:
        digest = ""
        if self.variables:
            variables = json.dumps(self.variables, sort_keys=True).encode()
            digest = hashlib.sha256(variables).hexdigest()[:16]
        return f"{code.tenant_id}/{code.content_hash}/{digest}"

    def _reuse(self, key: str) -> Loan | None:
        if self._held is None or self._held.key != key or not self._held.attempt.is_over:
            self.rest()
            return None
        loan, self._held = self._held.loan, None
        if loan.is_usable():
            return loan
        loan.kill()
        return None

    def _borrow(self, key: str) -> Loan:
        # once: by the next time it is lent, or has a task that waits elsewhere
        (rested_key, nanny), self._rested = self._rested, ("", 0)
        after = nanny if rested_key == key else 0
        for _ in range(_TRIES):
            try:
                return Loan.borrow(self._host, key, self.variables, after)
            except HostLost:
                continue
        raise ChildDied("no process could be started for the code")


@dataclass(frozen=True)
class _Held:
    key: str
    loan: Loan
    attempt: Attempt


def _load(
    loan: Loan, code: Code, lease: Callable[[], float], still_wanted: Callable[[], bool]
) -> dict[str, Any]:
    """Have a new child import its package; it is killed where that fails."""
    try:
        loan.extend(lease())
        loan.send(code.load_request())
        content = _answer_to_load(loan, code, lease, still_wanted)
        definition = content.get("definition")
        if content.get("ok") is not True or not isinstance(definition, dict):
            error = content.get("error")
            if not isinstance(error, dict):
                raise ChildDied("the process that ran the code sent an answer of a wrong form")
            raise LoadFailed(error)
    except BaseException:
        loan.kill()
        raise
    loan.used = True
    return definition


def _answer_to_load(
    loan: Loan, code: Code, lease: Callable[[], float], still_wanted: Callable[[], bool]
) -> dict[str, Any]:
    ends = time.monotonic() + LOAD_TIMEOUT_S
    while True:
        left_s = ends - time.monotonic()
        if left_s <= 0:
            message = f"importing {code.entry_module} took longer than {LOAD_TIMEOUT_S} s"
            raise LoadFailed({"type": "TimeoutError", "message": message})
        answer = loan.receive(min(left_s, LOOK_EVERY_S))
        if answer is not None:
            return answer
        if not still_wanted():
            raise ChildAbandoned
        loan.extend(lease())
