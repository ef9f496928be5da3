"""What both embedded servers have in common: they start, are waited for, and stop."""

import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

from cloacina.embedded.errors import EmbeddedServerFailed
from cloacina.embedded.folder import ServerFolder
from cloacina.processes import end, spawn, wait_until
from cloacina.processes.accounts import choose_account

START_DEADLINE_S = 60.0
# no variable of ours reaches a server, since many change what it does
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedServer(ABC):
    """A server that runs as long as we do, in a data folder of its own.

    Parameters:
        data_root: the folder that holds the servers' folders; created when missing.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    #: signals and seconds, from a clean stop to a quick one; the first is also the one that the
    #: server gets when we die
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root
        self.process: subprocess.Popen[bytes] | None = None
        self._folder: ServerFolder | None = None
        self._port = 0
        self._log_offset = 0

    @property
    def folder(self) -> ServerFolder:
        """The server's folder; only while it is started."""
        if self._folder is None:
            raise RuntimeError(f"the embedded {self.title} is not started")
        return self._folder

    @property
    def port(self) -> int:
        """The port it listens on, on 127.0.0.1; only while it is started."""
        assert self.folder  # noqa: S101  # raises when not started
        return self._port

    def start(self) -> None:
        """Start the server and wait until it can be used.

        Raises:
            AlreadyRunning: another process runs it.
            ConfigurationError: its folder or its binaries cannot be used.
            EmbeddedServerFailed: it did not start; the text holds the end of its log.
            RuntimeError: not called from the main thread.
        """
        if self._folder is not None:
            raise RuntimeError(f"the embedded {self.title} is started already")
        self._folder = ServerFolder(self.data_root, self.name, choose_account())
        try:
            self._prepare()
            self._port = self._folder.port()
            self.launch()
            self._wait_until_ready()
            self._provide()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server's process again, after it ended, without waiting for it.

        Returns:
            The process.
        """
        log = self.folder.open_log()
        try:
            self._log_offset = os.fstat(log).st_size
            self.process = self._spawn(self._command(), log, stdin=subprocess.PIPE)
        finally:
            os.close(log)
        _feed(self.process, self._configuration())
        return self.process

    def stop(self) -> None:
        """Stop the server; does nothing when it is not started."""
        if self._folder is None:
            return
        if self.process is not None:
            end(self.process, self.stop_steps)
            self.process = None
        self._folder.close()
        self._folder = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data when there is none."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Give the server's program and arguments."""

    def _configuration(self) -> str:
        """Give what the server reads on stdin: the place for what may not be an argument."""
        return ""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether the server can be used."""

    def _provide(self) -> None:  # noqa: B027  # not every server has something to make
        """Make in the running server what its users need."""

    def _spawn(
        self,
        command: list[str | Path],
        log: int,
        *,
        death_signal: signal.Signals | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        folder = self.folder
        return spawn(
            command,
            death_signal=death_signal or self.stop_steps[0][0],
            environ=ENVIRONMENT,
            cwd=folder.path,
            account=folder.account,
            output=log,
            stdin=stdin,
            keep_fds=(folder.server_lock,),
        )

    def _wait_until_ready(self) -> None:
        def ready_or_ended() -> bool:
            assert self.process is not None  # noqa: S101  # launched just before
            # asked first: who answers while ours has ended is somebody else
            answers = self._answers()
            if self.process.poll() is not None:
                raise self._failure(f"ended with code {self.process.returncode}")
            return answers

        if not wait_until(ready_or_ended, START_DEADLINE_S):
            raise self._failure(f"does not answer after {START_DEADLINE_S:.0f} seconds")

    def _failure(self, what: str) -> EmbeddedServerFailed:
        log = self.folder.log_path
        return EmbeddedServerFailed(
            f"the embedded {self.title} {what}; the end of {log}:"
            f"{self.folder.log_tail(self._log_offset)}"
        )


@contextmanager
def temporary_data_root() -> Iterator[Path]:
    """Give a data folder for servers that are needed for a while, and remove it afterwards.

    Returns:
        A folder that the servers' user can reach, with a path short enough for sockets.
    """
    root = Path(tempfile.mkdtemp(prefix="cloacina-"))
    try:
        root.chmod(0o711)
        yield root
    finally:
        for link in (path for path in root.iterdir() if path.is_symlink()):
            shutil.rmtree(link.resolve().parent, ignore_errors=True)
        shutil.rmtree(root)


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None  # noqa: S101  # spawned with a pipe
    # a process that has ended already says why in its log
    with suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(text.encode())
