"""A slot's sandbox, which is closed at the end with nothing left of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.sandbox import Host, Sandbox
from tests.cloacina.embedded.owners import is_running
from tests.cloacina.sandbox.trees import descendants


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def host(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("CLOACINA_DATABASE_URL", "postgresql://svc:the-password@db/cl")
    monkeypatch.setenv("CLOACINA_BROKER_URL", "redis://:the-password@broker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-password")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("CLOACINA_VAR_REGION", "eu")
    # the session's servers are below this process too
    before = descendants(os.getpid())
    host = Host(root)
    host.start()
    yield host
    started = descendants(os.getpid()) - before
    host.close()
    assert not [pid for pid in started if is_running(pid)]
    assert [path.name for path in root.iterdir()] == ["sdk"]


@pytest.fixture
def sandbox(host: Host) -> Iterator[Sandbox]:
    sandbox = Sandbox(host)
    yield sandbox
    sandbox.close()
