"""Ports that a server could listen on."""

import secrets
import socket

# below the ports that systems give to outgoing connections, so that none of those sits on ours
OWN_PORTS = range(20_000, 32_768)
ATTEMPTS = 100


def why_taken(host: str, port: int) -> OSError | None:
    """Try whether a server could listen on an address.

    Parameters:
        host: a name or an address.
        port: the port.

    Returns:
        What listening there meets; None: the address is free.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # as servers do: connections that ended a moment ago do not keep the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return error
    return None


def choose(host: str) -> int | None:
    """Choose a free port.

    Parameters:
        host: the address to listen on.

    Returns:
        The port; None when hardly any is free.
    """
    for _ in range(ATTEMPTS):
        port = secrets.choice(OWN_PORTS)
        if why_taken(host, port) is None:
            return port
    return None
