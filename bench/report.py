"""Figures, the targets that they are held against, and how both are shown."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.targets import TARGETS

ENOUGH_FOR_P99 = 300


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str


class Report:
    """Takes figures and shows them as they come; at the end it writes them all."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def headline(self, text: str) -> None:
        """Say what the figures below are about."""
        print(f"\n{text}", flush=True)

    def add(self, name: str, value: float, unit: str) -> None:
        """Take a figure."""
        self.figures[name] = Figure(name, value, unit)
        print(f"  {name:<44}{_shown(value):>12} {unit}", flush=True)

    def add_times(self, name: str, seconds: Sequence[float]) -> None:
        """Take median, 99th percentile (where there are enough) and the greatest of times."""
        self.add(f"{name}_p50", statistics.median(seconds) * 1000, "ms")
        if len(seconds) >= ENOUGH_FOR_P99:
            self.add(f"{name}_p99", percentile(seconds, 99) * 1000, "ms")
        self.add(f"{name}_max", max(seconds) * 1000, "ms")

    def add_parts(self, name: str, parts: dict[str, float], unit: str) -> None:
        """Take a value for each part, the greatest first, and their sum."""
        for part, value in sorted(parts.items(), key=lambda item: -item[1]):
            self.add(f"{name}_{part.replace(' ', '_').lower()}", value, unit)
        self.add(f"{name}_sum", sum(parts.values()), unit)

    def value(self, name: str) -> float | None:
        """Give a figure's value, if it was measured."""
        found = self.figures.get(name)
        return found.value if found else None

    def targets(self) -> list[dict[str, Any]]:
        """Hold the figures against those targets that were measured."""
        return [
            {
                "figure": target.figure,
                "target": f"{target.relation} {target.limit:g}",
                "value": found.value,
                "unit": found.unit,
                "met": target.is_met_by(found.value),
            }
            for target in TARGETS
            if (found := self.figures.get(target.figure))
        ]

    def show_targets(self) -> None:
        """Print the targets."""
        self.headline("Targets")
        for row in self.targets():
            met = "met" if row["met"] else "MISSED"
            value = f"{_shown(row['value'])} {row['unit']}"
            print(f"  {row['figure']:<44}{value:>16}   {row['target']:<10}{met}")

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write everything as JSON."""
        figures = {
            f.name: {"value": round(f.value, 4), "unit": f.unit} for f in self.figures.values()
        }
        content = {**facts, "figures": figures, "targets": self.targets()}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that so many percent of all are not above (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def _shown(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"
