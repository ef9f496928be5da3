"""What processes cost, and to which part of the server they are counted."""

import os

import pytest

from bench.processes import Process, Tree, cpu_seconds
from bench.server import kind_of

WORKER = ["python", "-P", "-m", "workers"]


@pytest.mark.parametrize(
    ("command", "parent", "parents_command", "kind"),
    [
        (["python", "cloacinactl"], None, [], "supervisor"),
        (["python", "-P", "-m", "gunicorn", "-c"], "supervisor", [], "API"),
        (["python", "-P", "-m", "gunicorn", "-c"], "API", [], "API"),
        (["python", "-P", "-m", "workers.scheduler"], "supervisor", [], "scheduler"),
        (["/somewhere/postgres", "-D"], "supervisor", [], "PostgreSQL"),
        (["postgres: checkpointer"], "PostgreSQL", [], "PostgreSQL"),
        (["/somewhere/valkey-server 127.0.0.1:1"], "supervisor", [], "Valkey"),
        (WORKER, "supervisor", [], "worker main"),
        (WORKER, "worker main", WORKER, "slots"),
        (["python", "-I", "-S"], "slots", WORKER, "children"),
        (["python", "-I", "-S"], "worker main", WORKER, "children"),
        (["python", "-I", "-S"], "children", [], "children"),
        (["python", "-P", "-m", "cli"], "supervisor", [], "other"),
    ],
)
def test_a_process_is_counted_to_its_part(
    command: list[str], parent: str | None, parents_command: list[str], kind: str
) -> None:
    assert kind_of(command, parent, parents_command) == kind


def test_a_tree_begins_with_its_root() -> None:
    tree = Tree(os.getpid(), lambda *_: "all")

    assert tree.look()[0].pid == os.getpid()
    assert tree.pids("all")[0] == os.getpid()
    assert 0 < tree.memory()["all"].pss <= tree.memory()["all"].rss


def test_cpu_time_of_processes_that_ended_is_counted_once() -> None:
    before = [Process(1, "slots", 5.0, 1.0), Process(2, "children", 2.0, 0.0)]
    # 2 went on to 3 s and was waited for; 3 is new
    after = [Process(1, "slots", 6.0, 4.0), Process(3, "children", 0.5, 0.0)]

    assert cpu_seconds(before, after) == {"slots": 1.0, "children": 1.5}
