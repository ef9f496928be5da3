"""A slot's sandbox, which is closed at the end with nothing left of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.sandbox.pool import Sandbox
from tests.cloacina.embedded.owners import is_running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def sandbox(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("CLOACINA_DATABASE_URL", "postgresql://svc:the-password@db/cl")
    monkeypatch.setenv("CLOACINA_BROKER_URL", "redis://:the-password@broker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-password")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("CLOACINA_VAR_REGION", "eu")
    sandbox = Sandbox(root)
    yield sandbox
    started = [child._process for child in sandbox._idle.values()]
    sandbox.close()
    assert not any(is_running(process.pid) for process in started)
    assert [path.name for path in root.iterdir()] == ["sdk"]
