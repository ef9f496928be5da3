"""Runs the peer: a raw Celery chain with results on the same Valkey as the server's."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from celery import chain

from bench.load import CLIENTS, Run, drive, summarize
from bench.processes import Kind, Tree, cpu_seconds
from bench.server import Server, environment
from cloacina.processes import end, spawn

ROOT = Path(__file__).parent.parent
# the server uses database 0
BROKER_DATABASE, RESULTS_DATABASE = 1, 2
TIMEOUT_S = 60.0
STOP_GRACE_S = 10.0


class Peer:
    """Celery workers: as many as the server has, with as many slots.

    Parameters:
        server: whose Valkey they use.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tasks: Any = None

    def __enter__(self) -> Self:
        urls = {
            "PEER_BROKER": self._server.broker_url(BROKER_DATABASE),
            "PEER_RESULTS": self._server.broker_url(RESULTS_DATABASE),
        }
        os.environ.update(urls)
        with (self._server.home / "peer.log").open("wb") as log:
            for number in range(self._server.workers):
                self._processes.append(
                    spawn(
                        [
                            *(sys.executable, "-m", "celery", "--app", "bench.peer_tasks"),
                            *("--quiet", "worker", "--pool=prefork", "--loglevel=warning"),
                            *(f"--concurrency={self._server.slots}", f"--hostname=peer-{number}"),
                            *("--without-gossip", "--without-mingle"),
                        ],
                        death_signal=signal.SIGKILL,
                        environ=environment() | urls,
                        cwd=ROOT,
                        output=log.fileno(),
                    )
                )
        # it reads the URLs when it is imported
        self._tasks = import_module("bench.peer_tasks")
        self.run_once()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            end(process, [(signal.SIGTERM, STOP_GRACE_S)])
            with suppress(ProcessLookupError):
                # slots outlive a main process that had to be killed
                os.killpg(process.pid, signal.SIGKILL)

    def start(self) -> Any:
        """Start a chain and give the result of its last task."""
        first, following = self._tasks.first, self._tasks.following
        return chain(first.s(), following.s(), following.s()).apply_async()

    def wait(self, handle: Any, _poll_s: float = 0) -> None:
        """Wait for a chain's result, as Celery itself does: it is told, it does not ask."""
        handle.get(timeout=TIMEOUT_S)

    def run_once(self) -> float:
        """Run a chain and give the seconds until its result was there."""
        started = time.perf_counter()
        self.wait(self.start())
        return time.perf_counter() - started

    def load(self, seconds: float) -> Run:
        """Keep the peer busy for some seconds."""
        before = self._look()
        driven = drive([_Starter(self) for _ in range(CLIENTS)], seconds)
        cpu = cpu_seconds(before, self._look())
        spans = [(started, _done_at(result)) for started, result in driven.handles]
        parts = {"peer main", "peer slots", "Valkey"}
        return summarize(driven, spans, {k: v for k, v in cpu.items() if k in parts})

    def _look(self) -> list[Any]:
        trees = [Tree(process.pid, _kind_of) for process in self._processes]
        return [found for tree in (*trees, self._server.tree()) for found in tree.look()]


class _Starter:
    """One client; remembers when it started each chain, which Celery does not."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def start(self) -> tuple[float, Any]:
        return time.time(), self._peer.start()

    def wait(self, handle: tuple[float, Any], _poll_s: float) -> None:
        self._peer.wait(handle[1])


def _done_at(result: Any) -> float:
    result.get(timeout=TIMEOUT_S)
    done: datetime = result.date_done
    return (done if done.tzinfo else done.replace(tzinfo=UTC)).timestamp()


def _kind_of(_command: list[str], parent: Kind | None, _parents_command: list[str]) -> Kind:
    return "peer main" if parent is None else "peer slots"
