"""The embedded Valkey: the broker of a server that has none of its own."""

import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from cloacina.embedded.programs import find_valkey
from cloacina.embedded.server import EmbeddedServer

ANSWER_TIMEOUT_S = 2.0


class EmbeddedValkey(EmbeddedServer):
    """A Valkey that runs as long as we do; hints survive its restarts.

    Parameters:
        data_root: the folder that holds the servers' folders; created when missing.
    """

    name = "valkey"
    title = "Valkey"
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 10.0),)

    @property
    def url(self) -> str:
        """Its URL with password; only while it is started."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        self._password = self.folder.password("valkey")
        self._program = find_valkey().usable_by(self.folder.account)
        if not self.folder.data.exists():
            self.folder.make_private("data")

    def _command(self) -> list[str | Path]:
        return [self._program.path, "-"]

    def _configuration(self) -> str:
        # by stdin, because everyone on the machine reads command lines
        data = str(self.folder.data).replace("\\", "\\\\").replace('"', '\\"')
        return f"""
            bind 127.0.0.1
            port {self.port}
            requirepass {self._password}
            dir "{data}"
            appendonly yes
            appendfsync everysec
            save ""
            maxmemory-policy noeviction
            enable-debug-command no
            enable-module-command no
            """

    def _answers(self) -> bool:
        request = f"AUTH {self._password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_TIMEOUT_S) as link:
                link.sendall(request)
                answer = b""
                while answer.count(b"\r\n") < 2 and (chunk := link.recv(1024)):
                    answer += chunk
        except OSError:
            return False
        # while it loads its data it refuses to ping
        return answer == b"+OK\r\n+PONG\r\n"
