"""The process that runs an author's code.

In a server it is forked, and waits for whoever wants it: each time for a channel, which it serves
as `cloaca._serve` describes, and for where its output goes. It also starts by itself as
`python -I -S .../cloaca/_child.py <fd>`: then it serves the stream socket <fd> and ends.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from typing import NoReturn

READY = b"ready"
"""What a forked child says each time that it waits for whoever wants it."""


def environment(scratch: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Build a child's environment from nothing.

    Parameters:
        scratch: the folder that it works in.
        variables: what the tenant's code may read besides.
    """
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "task",
        "OPENBLAS_NUM_THREADS": "1",
        **variables,
    }


def live(
    feed: socket.socket, scratch: str, variables: Mapping[str, str], max_file_bytes: int
) -> NoReturn:
    """Be a child: serve one channel after another, in a process that was just forked.

    Parameters:
        feed: brings (channel, stdout, stderr), and is told when the next are wanted.
        scratch: the folder to work in.
        variables: for the environment.
        max_file_bytes: how large a file may become that the code writes.
    """
    import resource

    from cloaca._frames import Channel, keep_from_forks
    from cloaca._handover import receive, send
    from cloaca._serve import Server
    from cloaca._streams import Streams, log_to_stderr

    code = 1
    try:
        keep_from_forks(feed.fileno())
        os.setsid()
        os.environ.clear()
        os.environ.update(environment(scratch, variables))
        os.chdir(scratch)
        # Python ignores the signal of it, so that a write beyond it raises OSError
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
        sys.argv = ["task"]
        streams = Streams()
        streams.take_back()
        log_to_stderr()
        server = Server(streams)
        while True:
            send(feed, READY)
            _, fds = receive(feed)
            if len(fds) != 3:
                code = 0
                break
            channel = Channel(fds[0])
            streams.give(fds[1], fds[2])
            ending = server.serve(channel)
            if ending is not None:
                code = ending
                break
            channel.close()
            streams.take_back()
    finally:
        # threads and exit handlers of the author's code must not keep the process
        os._exit(code)


def main(fd: int) -> NoReturn:
    """Serve a socket, then end the process."""
    # At the end: a package may have modules with the names of whatever lies beside this one.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib is slow to import

    from cloaca._frames import Channel
    from cloaca._processes import die_with_parent
    from cloaca._serve import Server
    from cloaca._streams import Streams

    die_with_parent(os.getppid())
    os._exit(Server(Streams()).serve(Channel(fd)) or 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
