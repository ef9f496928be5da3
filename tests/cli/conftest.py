"""A small real HTTP server with canned answers, and the command line run against it."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.main import main

Answer = tuple[int, object]


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class FakeApi:
    """Answers by `METHOD path`; the last one of a list is given again and again."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def on(self, request: str, *answers: Answer) -> None:
        self.answers[request] = list(answers)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        queue = self.answers.get(f"{request.method} {request.path.partition('?')[0]}")
        if queue is None:
            return 404, {"error": "no such path", "code": "not_found"}
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def asked(self, request: str) -> list[Request]:
        return [one for one in self.requests if f"{one.method} {one.path}" == request]


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = api.answer(Request(self.command, self.path, headers, body))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.send_header("x-request-id", "request-1")
            if 300 <= status < 400:
                self.send_header("location", "https://elsewhere.example/")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake)) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("CLOACINA_HOME", str(folder))
    return folder


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run `cloacinactl` in this process, on a home folder of its own."""

    def run_it(*args: str) -> Result:
        code = main(args)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Result(code, out, err)

    return run_it


@pytest.fixture
def client(run: Callable[..., Result], api: FakeApi) -> Callable[..., Result]:
    """Run `cloacinactl` against the server, with a key of the tenant acme."""
    api.on(
        "GET /v1/auth/whoami",
        (200, {"tenant_id": "acme", "role": "write", "is_admin": False, "name": "acme-ci"}),
    )

    def run_it(*args: str) -> Result:
        return run("--server", api.url, "--api-key", "clk_secret", *args)

    return run_it
