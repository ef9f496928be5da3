"""How the processes of `pytest --numprocesses` share the tests: those that take longest first."""

from collections.abc import Generator
from typing import Any

import pytest

# they start workers or whole servers and wait for them; begun last, one would be waited for alone
LONGEST = (
    "tests/workers/",
    "tests/docs/test_guide.py",
    "tests/chaos/test_short.py",
    "tests/deploy/",
    "tests/cli/test_supervisor",
    "tests/docs/",
    "tests/web/test_server.py",
    "tests/cloacina/embedded/",
    "tests/cloacina/sandbox/",
)
# their files use one stack, which one process starts once
TOGETHER = "tests/deploy/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give whole files to the processes, so that what a module's tests share is made once."""
    from xdist.scheduler import LoadFileScheduling

    class Sharing(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)

    return Sharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let reports travel between processes: tasks may log what UTF-8 has no bytes for."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_encodable(key): _encodable(each) for key, each in value.items()}
        case list() | tuple():
            return type(value)(map(_encodable, value))
        case _:
            return value


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest; a process that is alone keeps the order."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    ranks = (rank for rank, start in enumerate(LONGEST) if item.nodeid.startswith(start))
    return next(ranks, len(LONGEST))
