"""Graphs of packages, kept in memory."""

import pytest

from tests.cloacina.executions.runs import Runs, chain


def test_a_graph_is_read_once(runs: Runs) -> None:
    package = runs.workflow(*chain("a"))
    with runs.unit() as unit:
        found, graph = runs.graphs.entry(unit, package.id)
        assert runs.graphs.entry(unit, package.id)[1] is graph
    assert found == package
    assert [task.id for task in graph.tasks] == ["a"]


def test_only_those_lately_used_are_kept(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloacina.executions.graphs._KEPT", 2)
    packages = [runs.workflow(*chain("a")) for _ in range(3)]
    with runs.unit() as unit:
        first, second = (runs.graphs.entry(unit, each.id) for each in packages[:2])
        assert runs.graphs.entry(unit, packages[0].id) is first
        runs.graphs.entry(unit, packages[2].id)
        assert runs.graphs.entry(unit, packages[0].id) is first
        assert runs.graphs.entry(unit, packages[1].id) is not second
