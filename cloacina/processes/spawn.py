"""Processes that end with the one that started them, even when that one is killed."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from cloacina.processes.accounts import Account

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_LINUX = sys.platform == "linux"
# loaded here because a child between fork and exec may not load anything
_libc = ctypes.CDLL(None) if _LINUX else None
_WATCHDOG = Path(__file__).with_name("watchdog.py")


def spawn(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    account: Account | None = None,
    output: int | None = None,
    stdin: int = subprocess.DEVNULL,
    keep_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that does not outlive us.

    Parameters:
        argv: the program and its arguments; no secret, since everyone on the machine reads them.
        death_signal: what the process gets when we end, in whichever way.
        environ: its whole environment.
        cwd: the folder it starts in; None: ours.
        account: the user it runs as; None: ours.
        output: file descriptor of its stdout and stderr; None: ours.
        stdin: as for `subprocess.Popen`.
        keep_fds: file descriptors that it inherits.

    Returns:
        The process.

    Raises:
        RuntimeError: called on a thread; Linux ties the signal to the life of the calling thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start servers from the main thread: they end with the one that did")
    process = subprocess.Popen(
        [str(part) for part in argv],
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=dict(environ),
        cwd=cwd,
        start_new_session=True,
        pass_fds=tuple(keep_fds),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=account.groups if account else None,
        # runs after the change of user, which would clear the signal; only a system call inside
        preexec_fn=partial(die_with_parent, death_signal, os.getpid()),  # noqa: PLW1509
    )
    if not _LINUX:
        watch(process.pid, death_signal)
    return process


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Have the kernel signal this process when its parent ends, in whichever way (Linux).

    Parameters:
        number: the signal.
        parent: the parent's pid, as known before the fork: it may be gone already.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@cache
def _lifeline() -> tuple[int, int]:
    """Open the pipe that only we hold the writing end of: it ends when we do."""
    return os.pipe()


def watch(pid: int, death_signal: signal.Signals) -> None:
    """Have a process signalled when we end, where the kernel does not do so itself.

    Parameters:
        pid: the process.
        death_signal: what it gets.
    """
    reader, _ = _lifeline()
    command = [sys.executable, "-I", "-S", str(_WATCHDOG), str(reader), str(pid)]
    # the shell ends at once, so that the watchdog is nobody's child and leaves no zombie
    subprocess.run(
        ["/bin/sh", "-c", '"$@" &', "sh", *command, str(int(death_signal))],
        check=True,
        pass_fds=(reader,),
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a process, ever more firmly.

    Parameters:
        process: may have ended already.
        steps: a signal and the seconds that it is given to work; SIGKILL follows the last.
    """
    for number, grace_s in steps:
        process.send_signal(number)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def wait_until(condition: Callable[[], T], deadline_s: float, interval_s: float = 0.01) -> T | None:
    """Wait for a condition.

    Parameters:
        condition: asked again and again; may raise to give up.
        deadline_s: seconds to go on asking; it is asked once at least.
        interval_s: seconds between two times.

    Returns:
        The first true answer, or None when the deadline has passed.
    """
    until = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= until:
            return None
        time.sleep(interval_s)
