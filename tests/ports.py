"""Ports for what is started a moment later."""

from cloacina.embedded.ports import choose


def choose_several(host: str, count: int) -> list[int]:
    """Choose free ports that differ, though nothing listens on any of them yet."""
    chosen: set[int] = set()
    while len(chosen) < count:
        port = choose(host)
        assert port is not None
        chosen.add(port)
    return list(chosen)
