"""The client: one keep-alive connection, light enough not to take the CPU from the server."""

import http.client
import json
import secrets
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

DEADLINE_S = 300.0
PATIENT_POLL_S = 0.02
_PAGE = 1000


class Connection:
    """A connection to the API that is kept open; used by one thread.

    Parameters:
        host, port: where the API listens.
        key: the API key; none for what is open to everybody.

    Attributes:
        requests: how many were sent.
    """

    def __init__(self, host: str, port: int, key: str = "") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
        self.requests = 0
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send a request and give the answer's status and body."""
        self.requests += 1
        headers = self._headers if body is None else self._headers | {"Content-Type": kind}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def json(self, method: str, path: str, body: bytes | None = None, **options: str) -> Any:
        """Send a request that must succeed, and give what the answer's JSON holds."""
        status, text = self.request(method, path, body, **options)
        if status >= 400:
            sys.exit(f"{method} {path}: {status} {text.decode(errors='replace')}")
        return json.loads(text)

    def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        self.json("POST", "/v1/tenants", json.dumps({"name": name}).encode())

    def let_queue(self, tenant: str, count: int) -> None:
        """Let a tenant have so many executions that have not ended."""
        body = json.dumps({"max_queued_executions": count}).encode()
        self.json("POST", f"/v1/tenants/{tenant}/limits", body)

    def create_key(self, tenant: str) -> str:
        """Make an admin key of a tenant's and give its text."""
        return str(self.json("POST", f"/v1/tenants/{tenant}/keys", b'{"name": "bench"}')["key"])

    def upload(self, tenant: str, archive: Path) -> None:
        """Upload a package and wait until it can be executed."""
        boundary = secrets.token_hex(16)
        body = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=package.cloacina"
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        body += archive.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        path = f"/v1/tenants/{tenant}/workflows"
        kind = f"multipart/form-data; boundary={boundary}"
        path += f"/{self.json('POST', path, body, kind=kind)['package_id']}"
        wait_until(lambda: self.json("GET", path)["build_status"] == "success", PATIENT_POLL_S)

    def execute(self, tenant: str, workflow: str) -> str:
        """Start an execution and give its id."""
        path = f"/v1/tenants/{tenant}/workflows/{workflow}/execute"
        return str(self.json("POST", path, b"{}")["execution_id"])

    def has_completed(self, tenant: str, execution: str) -> bool:
        """Ask whether an execution has completed; give up if it failed."""
        found = self.json("GET", f"/v1/tenants/{tenant}/executions/{execution}")
        if found["status"] == "Failed":
            sys.exit(f"an execution failed: {found}")
        return bool(found["status"] == "Completed")

    def wait_for(self, tenant: str, execution: str, poll_s: float) -> None:
        """Wait until an execution has completed."""
        wait_until(lambda: self.has_completed(tenant, execution), poll_s)

    def events(self, tenant: str, execution: str) -> list[dict[str, Any]]:
        """Give the events of an execution; `at` is when each happened, in seconds."""
        path = f"/v1/tenants/{tenant}/executions/{execution}/events"
        events: list[dict[str, Any]] = self.json("GET", path)["events"]
        return [event | {"at": seconds(event["created_at"])} for event in events]

    def spans(self, tenant: str, since: float) -> list[tuple[float, float]]:
        """Wait until a tenant has nothing open, and give beginning and end of its executions.

        Parameters:
            tenant: the tenant.
            since: only executions that began later, in seconds of the epoch.
        """
        path = f"/v1/tenants/{tenant}/executions"
        for status in ("Pending", "Running"):
            url = f"{path}?limit=1&status={status}"
            wait_until(partial(self._is_empty, url), PATIENT_POLL_S)
        found: list[tuple[float, float]] = []
        for offset in range(0, sys.maxsize, _PAGE):
            page = self.json("GET", f"{path}?limit={_PAGE}&offset={offset}")["items"]
            for item in page:
                if seconds(item["started_at"]) < since:
                    return found
                if item["status"] != "Completed":
                    sys.exit(f"an execution did not complete: {item}")
                found.append((seconds(item["started_at"]), seconds(item["completed_at"])))
            if len(page) < _PAGE:
                break
        return found

    def _is_empty(self, list_path: str) -> bool:
        return not self.json("GET", list_path)["items"]


def seconds(moment: str) -> float:
    """Read a timestamp of the API as seconds of the epoch; the server's clock is ours."""
    return datetime.fromisoformat(moment).timestamp()


def wait_until(condition: Callable[[], bool], poll_s: float) -> None:
    """Ask until a condition holds, or give up after the deadline."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"the server did not come to it within {DEADLINE_S:g} s")
        time.sleep(poll_s)
