"""Datagrams with descriptors between the processes of a sandbox."""

from __future__ import annotations

import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# macOS has no SEQPACKET between processes
KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM

LARGEST_DATAGRAM = 128 * 1024
"""Bytes."""

_MOST_FDS = 8
_CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def pair() -> tuple[socket.socket, socket.socket]:
    """Give two connected sockets that keep messages apart."""
    return socket.socketpair(socket.AF_UNIX, KIND)


def send(peer: socket.socket, message: bytes, fds: Sequence[int] = ()) -> None:
    """Send a message with descriptors, which the sender keeps too.

    Raises:
        BlockingIOError: the other end reads too slowly, and the socket does not block.
        OSError: the other end is closed, or the message is too long.
    """
    socket.send_fds(peer, [message], list(fds))


def receive(peer: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a message.

    Returns:
        The message, empty when the other end is closed, and the descriptors.

    Raises:
        BlockingIOError: there is none, and the socket does not block.
    """
    try:
        message, fds, _, _ = socket.recv_fds(peer, LARGEST_DATAGRAM, _MOST_FDS, _CLOSED_ON_EXEC)
    except ConnectionError:
        return b"", []
    for fd in fds:
        os.set_inheritable(fd, False)
    return message, fds


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)
