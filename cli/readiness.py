"""Asks an API whether it is ready, without ever waiting for its answer."""

import socket
import time
from contextlib import suppress

ANSWER_DEADLINE_S = 5.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104  # to call, not to bind


class ReadyProbe:
    """One question `GET /ready` at a time, a step further at each look.

    Parameters:
        host: the address that the API listens on.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (_WILDCARDS.get(host, host), port)
        self._link: socket.socket | None = None
        self._asked = False
        self._since = 0.0

    def is_ready(self) -> bool:
        """Look whether the API has answered that it is ready; begin to ask when it has not."""
        try:
            answer = self._step()
        except BlockingIOError:
            if time.monotonic() - self._since > ANSWER_DEADLINE_S:
                self.close()
            return False
        except OSError:
            self.close()
            return False
        self.close()
        return answer.split(b" ")[1:2] == [b"200"]

    def close(self) -> None:
        """Forget the question that is under way."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _step(self) -> bytes:
        if self._link is None:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            self._link = socket.socket(family, socket.SOCK_STREAM)
            self._link.setblocking(False)
            self._asked = False
            self._since = time.monotonic()
            with suppress(BlockingIOError):
                self._link.connect(self._address)
        if not self._asked:
            request = (
                f"GET /ready HTTP/1.1\r\nHost: {self._address[0]}\r\nConnection: close\r\n\r\n"
            )
            self._link.send(request.encode())
            self._asked = True
        return self._link.recv(64)
