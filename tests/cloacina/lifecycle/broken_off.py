"""Has processes begin deletions that are killed after a step: `python -m … <tenant>=<step> …`."""

import os
import signal
import sys

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.lifecycle.deletion import Deletion, mark


def delete(name: str, last: str) -> None:
    """Delete a tenant up to a step; `mark` is the first."""
    database = Database(os.environ["DATABASE_URL"])
    marked = mark(database, name, 600)
    assert marked is not None
    dispatcher = Dispatcher(database, os.environ["BROKER_URL"])
    steps = Deletion(database, dispatcher, marked[0]).steps()
    step = "mark"
    while step != last:
        step = next(steps)
    os.kill(os.getpid(), signal.SIGKILL)


def main(*arguments: str) -> None:
    """Have each done by a process of its own, all of which are loaded already."""
    for argument in arguments:
        name, _, step = argument.partition("=")
        child = os.fork()
        if not child:
            try:
                delete(name, step)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL


if __name__ == "__main__":
    main(*sys.argv[1:])
