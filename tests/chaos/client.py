"""The API over HTTP, as a client uses it: from either address, with keys that make asking safe."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests

from cloacina.processes import wait_until

PATIENCE_S = 5.0
DEADLINE_S = 60.0


class NotAccepted(Exception):
    """No API has accepted a request in time, or one refused it for good."""


class Client:
    """A client of several APIs that serve the same.

    Parameters:
        addresses: of the APIs.
        key: presented with each request.
        first: which of them is asked first.
    """

    def __init__(self, addresses: Sequence[str], key: str, first: int = 0) -> None:
        turned = [*addresses[first % len(addresses) :], *addresses[: first % len(addresses)]]
        self._addresses = itertools.cycle(turned)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self.troubles: list[str] = []

    def wait_until_ready(self) -> None:
        """Wait until the first API serves."""
        address = next(self._addresses)

        def ready() -> bool:
            try:
                return self._session.get(f"http://{address}/ready", timeout=PATIENCE_S).ok
            except requests.RequestException:
                return False

        if not wait_until(ready, DEADLINE_S, 0.1):
            raise NotAccepted(f"http://{address}/ready")

    def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        self._ask("POST", "/v1/tenants", json={"name": name}).raise_for_status()

    def upload(self, tenant: str, archive: Path) -> str:
        """Upload a package, and give its id."""
        with archive.open("rb") as file:
            path = f"/v1/tenants/{tenant}/workflows"
            answer = self._ask("POST", path, files={"file": file}, timeout=DEADLINE_S)
        answer.raise_for_status()
        return str(answer.json()["package_id"])

    def wait_until_built(self, tenant: str, package_id: str) -> None:
        """Wait until a package can be run."""

        def built() -> bool:
            answer = self._ask("GET", f"/v1/tenants/{tenant}/workflows/{package_id}").json()
            if answer["build_status"] == "failed":
                raise NotAccepted(answer["build_error"])
            return bool(answer["build_status"] == "success")

        if not wait_until(built, DEADLINE_S, 0.2):
            raise NotAccepted(f"{tenant}: package {package_id} is not built")

    def execute(
        self,
        tenant: str,
        workflow: str,
        context: dict[str, Any],
        key: str,
        given_up: Callable[[], bool],
    ) -> str:
        """Start an execution, asking one API after the other until one has accepted it.

        Parameters:
            tenant, workflow, context: what to start.
            key: makes it safe to ask again.
            given_up: asked between two times.

        Returns:
            The execution's id.

        Raises:
            NotAccepted: nobody has until then, or it is refused for a reason that will not go away.
        """
        path = f"/v1/tenants/{tenant}/workflows/{workflow}/execute"
        while True:
            try:
                headers = {"Idempotency-Key": key}
                answer = self._ask("POST", path, json={"context": context}, headers=headers)
            except requests.RequestException as error:
                self.troubles.append(type(error).__name__)
            else:
                if answer.status_code == 202:
                    return str(answer.json()["execution_id"])
                self.troubles.append(str(answer.status_code))
                if answer.status_code < 500:
                    raise NotAccepted(f"{key}: {answer.status_code} {answer.text}")
            if given_up():
                raise NotAccepted(key)
            time.sleep(0.2)

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        url = f"http://{next(self._addresses)}{path}"
        return self._session.request(method, url, **{"timeout": PATIENCE_S} | request)
