"""Which packages there are, what must become of each, and how often each is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from cloacina.packages.pack import pack
from tests.chaos.limits import LEASE_S, WORKER_LOST

_SOURCES = Path(__file__).with_name("workflows")
_MANIFEST = """
[package]
name = "{name}"
version = "1.0.0"

[metadata]
language = "python"
workflow_name = "{name}"
entry_module = "{name}.tasks"
"""


@dataclass(frozen=True)
class Fate:
    """What must become of a task.

    Parameters:
        state: how it ends.
        failures: attempts of it that fail and are repeated.
        error: how its error begins, when it fails.
    """

    state: str
    failures: int = 0
    error: str = ""


@dataclass(frozen=True)
class Kind:
    """A workflow of the mix.

    Parameters:
        weight: how often it is run, as compared to others.
        fates: of its tasks, where they do not simply complete.
        context: what its executions are given.
    """

    weight: float = 0
    fates: Mapping[str, Fate] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """How its executions end."""
        return (
            "Failed"
            if any(fate.state == "Failed" for fate in self.fates.values())
            else ("Completed")
        )


MIX: dict[str, Kind] = {
    "chain": Kind(weight=10),
    "fan": Kind(weight=1),
    "flaky": Kind(weight=3, fates={"stumbles": Fate("Completed", failures=2)}),
    "hopeless": Kind(weight=2, fates={"fails": Fate("Failed", 2, "RuntimeError: never")}),
    "endless": Kind(weight=1, fates={"hangs": Fate("Failed", 1, "timeout")}),
    "sleeper": Kind(weight=0.5, context={"seconds": 2 * LEASE_S}),
    "killer": Kind(fates={"kills": Fate("Failed", error=WORKER_LOST)}),
    "deferral": Kind(weight=2, context={"seconds": LEASE_S / 2}),
}


@dataclass(frozen=True)
class Order:
    """An execution that is to be started.

    Parameters:
        at_s: seconds since the storm's begin.
        key: names it, in the journal and as Idempotency-Key.
        tenant: whose.
        workflow: which.
        context: what it is given besides what every body needs.
    """

    at_s: float
    key: str
    tenant: str
    workflow: str
    context: Mapping[str, Any]


def in_use(*, killers: int) -> list[str]:
    """Give the workflows that are run at all."""
    return [name for name, kind in MIX.items() if kind.weight or killers]


def orders(
    random: Random,
    tenants: list[str],
    seconds: float,
    rate: float,
    killers: int,
    scale: float,
) -> list[Order]:
    """Decide what is started and when.

    Parameters:
        random: of the seed.
        tenants: whose executions they are.
        seconds: the storm's length.
        rate: executions a second.
        killers: how many kill their workers; early, since each takes long to be given up.
        scale: of the time that long tasks take.
    """
    names = in_use(killers=0)
    weights = [MIX[name].weight for name in names]
    moments = [(random.uniform(0, seconds / 4), "killer") for _ in range(killers)]
    # each at least once, however short the storm
    moments += [(random.uniform(0, seconds / 2), name) for name in names]
    at_s = random.expovariate(rate)
    while at_s < seconds:
        moments.append((at_s, random.choices(names, weights)[0]))
        at_s += random.expovariate(rate)
    made = []
    for number, (moment, workflow) in enumerate(sorted(moments), 1):
        given = MIX[workflow].context
        context = {"seconds": given["seconds"] * scale} if given else {}
        key = f"{workflow}-{number}"
        made.append(Order(moment, key, random.choice(tenants), workflow, context))
    return made


def make_package(name: str, folder: Path) -> Path:
    """Write a workflow's package, pack it, and give the archive."""
    source = folder / name
    code = source / "workflow" / name
    code.mkdir(parents=True)
    (source / "package.toml").write_text(_MANIFEST.format(name=name))
    (code / "__init__.py").touch()
    (code / "witness.py").write_text((_SOURCES / "witness.py").read_text())
    (code / "tasks.py").write_text((_SOURCES / f"{name}.py").read_text())
    return pack(source, folder)
