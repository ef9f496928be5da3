"""The workflows that are measured; their tasks do nothing, so that what is left is the server's."""

from pathlib import Path

from cloacina.packages.pack import pack

MODULE = "bench_tasks"

_MANIFEST = """\
[package]
name = "{name}"
version = "0.1.0"

[metadata]
language = "python"
workflow_name = "{name}"
entry_module = "{module}.tasks"
"""

_SINGLE = """\
import cloaca


@cloaca.task()
def only(context):
    return context
"""

_CHAIN = """\
import cloaca


@cloaca.task()
def first(context):
    return context


@cloaca.task(dependencies=["first"])
def second(context):
    return context


@cloaca.task(dependencies=["second"])
def third(context):
    return context
"""

_FAN = """\
import cloaca

BRANCHES = [f"branch_{{number}}" for number in range({width})]


@cloaca.task()
def root(context):
    return context


for name in BRANCHES:

    @cloaca.task(id=name, dependencies=["root"])
    def branch(context):
        return context


@cloaca.task(dependencies=BRANCHES)
def join(context):
    return context
"""

_SLEEP = """\
import time

import cloaca


@cloaca.task()
def sleep(context):
    time.sleep({seconds})
    return context
"""

SINGLE, CHAIN, SLEEP, LONG = "single", "chain", "sleep", "long"
SLEEP_S, LONG_S = 2.0, 30.0


def fan(width: int) -> str:
    """Name the workflow of a root, so many tasks beside each other, and a join."""
    return f"fan_{width}"


def archive(name: str, folder: Path) -> Path:
    """Pack one of the workflows.

    Parameters:
        name: `single`, `chain`, `sleep`, `long`, or what `fan` gives.
        folder: where to work; it may hold others.

    Returns:
        The archive.
    """
    source = folder / name
    module = source / "workflow" / MODULE
    module.mkdir(parents=True)
    (source / "package.toml").write_text(_MANIFEST.format(name=name, module=MODULE))
    (module / "__init__.py").write_text("")
    (module / "tasks.py").write_text(_tasks(name))
    return pack(source, folder)


def _tasks(name: str) -> str:
    if name.startswith("fan_"):
        return _FAN.format(width=int(name.removeprefix("fan_")))
    return {
        SINGLE: _SINGLE,
        CHAIN: _CHAIN,
        SLEEP: _SLEEP.format(seconds=SLEEP_S),
        LONG: _SLEEP.format(seconds=LONG_S),
    }[name]
