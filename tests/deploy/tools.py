"""The checkers that come with the development extra, where their wheels exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT


def tool(name: str) -> Path:
    """Give a program of the virtual environment, or skip the test with the program's name."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed: `pip install .[dev]` has it for Linux and macOS")
    return path


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a checker on the project; its output is one text."""
    return subprocess.run(
        [tool(name), *(str(argument) for argument in arguments)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
