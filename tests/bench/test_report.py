"""What becomes of the figures."""

import json
from pathlib import Path

import pytest

from bench.report import ENOUGH_FOR_P99, Report, percentile
from bench.targets import TARGETS, Target


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 50), (99, 99), (100, 100)])
def test_percentiles_are_values_that_were_measured(percent: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_a_99th_percentile_needs_enough_runs() -> None:
    report = Report()

    report.add_times("few", [0.1] * (ENOUGH_FOR_P99 - 1))
    report.add_times("enough", [0.1] * ENOUGH_FOR_P99)

    assert report.value("few_p99") is None
    assert report.value("enough_p99") == 100.0


@pytest.mark.parametrize(
    ("relation", "value", "met"),
    [("<=", 40, True), ("<=", 40.1, False), (">=", 40, True), (">=", 39.9, False)],
)
def test_a_target_is_met_at_its_limit(relation: str, value: float, met: bool) -> None:
    assert Target("figure", relation, 40).is_met_by(value) is met


def test_only_targets_that_were_measured_are_judged(tmp_path: Path) -> None:
    report = Report()
    report.add("start_first", 7.0, "s")

    report.write(tmp_path / "results.json", {"commit": "abc"})

    assert json.loads((tmp_path / "results.json").read_text()) == {
        "commit": "abc",
        "figures": {"start_first": {"value": 7.0, "unit": "s"}},
        "targets": [
            {
                "figure": "start_first",
                "target": "<= 6",
                "value": 7.0,
                "unit": "s",
                "met": False,
            }
        ],
    }


def test_the_sum_of_parts_is_a_figure_of_its_own() -> None:
    report = Report()

    report.add_parts("cpu", {"worker main": 1.0, "API": 2.0}, "ms")

    assert [(f.name, f.value) for f in report.figures.values()] == [
        ("cpu_api", 2.0),
        ("cpu_worker_main", 1.0),
        ("cpu_sum", 3.0),
    ]


def test_a_figure_has_one_target() -> None:
    assert len({target.figure for target in TARGETS}) == len(TARGETS)
