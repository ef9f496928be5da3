import io
import socket
from collections.abc import Iterator

import pytest
from werkzeug.exceptions import BadRequest, RequestTimeout

from cloacina.errors import PayloadTooLarge
from web import body
from web.body import LimitedBody


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection."""
    server, client = socket.socketpair()
    with server, client:
        yield server, client


def test_a_body_of_exactly_the_limit_is_read_whole() -> None:
    assert LimitedBody(io.BytesIO(b"12345"), 5, None).read() == b"12345"


def test_a_body_of_unannounced_length_is_refused_where_it_passes_the_limit() -> None:
    with pytest.raises(PayloadTooLarge):
        LimitedBody(io.BytesIO(b"123456"), 5, None).read()


def test_a_client_that_stalls_is_given_up(
    connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "STALL_TIMEOUT_S", 0.05)
    server, client = connection
    client.sendall(b"123")
    with server.makefile("rb", buffering=0) as raw:
        limited = LimitedBody(raw, 10, server)
        assert limited.read(3) == b"123"
        with pytest.raises(RequestTimeout):
            limited.read(3)
    assert server.gettimeout() is None


def test_a_body_that_the_server_cannot_make_out_is_the_clients_fault() -> None:
    class BrokenFraming(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise RuntimeError("invalid chunk")

    with pytest.raises(BadRequest):
        LimitedBody(BrokenFraming(), 10, None).read()


def test_an_unwanted_rest_is_dropped_whole_up_to_its_bounds(
    connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO(b"x" * 1_000_000)
    LimitedBody(raw, 5, None).drain()
    assert raw.read() == b""
    monkeypatch.setattr(body, "DRAIN_LIMIT_BYTES", 200_000)
    raw.seek(0)
    LimitedBody(raw, 5, None).drain()
    assert 200_000 <= raw.tell() < 300_000
    monkeypatch.setattr(body, "DRAIN_TIMEOUT_S", 0.05)
    server, client = connection
    client.sendall(b"and then nothing")
    with server.makefile("rb", buffering=0) as stalled:
        LimitedBody(stalled, 5, server).drain()
