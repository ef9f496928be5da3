"""Every child process loads the SDK, so it takes little, and from the standard library only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cloaca

SDK = Path(cloaca.__file__).parent

# Each costs a child more to import than the whole SDK.
HEAVY = {"asyncio", "ctypes", "dataclasses", "hashlib", "inspect", "logging", "random", "typing"}

LIST_MODULES = """
import sys
sys.path.append(sys.argv[1])
import {modules}
import json
print(json.dumps(sorted(sys.modules)))
"""


def imported_by(*modules):
    script = LIST_MODULES.format(modules=", ".join(modules))
    command = [sys.executable, "-I", "-S", "-c", script, str(SDK.parent)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def modules():
    names = [f"cloaca.{file.stem}" for file in SDK.glob("*.py") if file.stem != "__init__"]
    assert "cloaca._child" in names
    return imported_by("cloaca", *names)


def test_only_the_standard_library_is_imported(modules):
    allowed = sys.stdlib_module_names | {"cloaca", "__main__"}
    assert {name for name in modules if name.partition(".")[0] not in allowed} == set()


def test_nothing_heavy_is_imported_before_it_is_needed(modules):
    assert modules & HEAVY == set()
