"""Signals a process once the pipe's other end closes; run as `watchdog.py <fd> <pid> <signal>`.

It stands in for Linux's parent-death signal on other systems. It ends with the process it watches.
"""

import os
import select
import sys

POLL_S = 1.0


def main(fd: int, pid: int, number: int) -> None:
    """Wait for the end of the pipe or of the process, whichever comes first.

    Parameters:
        fd: the pipe's reading end; its writing end closes when the process's owner ends.
        pid: the process.
        number: the signal that the process gets.
    """
    while not select.select([fd], [], [], POLL_S)[0]:
        if not _is_alive(pid):
            return
    if _is_alive(pid):
        os.kill(pid, number)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
