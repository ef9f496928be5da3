"""Asking an API whether it is ready, without waiting for its answer."""

import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cli.readiness import ReadyProbe
from cloacina.processes import wait_until
from tests.cloacina.embedded.owners import DEADLINE_S


class Api(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[HTTPServer]:
    class Fresh(Api):
        pass

    with HTTPServer(("127.0.0.1", 0), Fresh) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_an_api_is_ready_once_it_answers_200(api: HTTPServer, host: str) -> None:
    probe = ReadyProbe(host, api.server_port)
    asked = [probe.is_ready() for _ in range(200)]
    assert not any(asked)
    api.RequestHandlerClass.status = 200
    assert wait_until(probe.is_ready, DEADLINE_S)
    probe.close()


def test_nobody_who_listens_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    probe = ReadyProbe("127.0.0.1", port)
    assert not any(probe.is_ready() for _ in range(10))
    probe.close()


def test_an_api_that_does_not_answer_keeps_nobody_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = ReadyProbe("127.0.0.1", server.getsockname()[1])
        begin = time.monotonic()
        assert not any(probe.is_ready() for _ in range(100))
        assert time.monotonic() - begin < 2
        probe.close()
