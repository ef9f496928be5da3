"""A reader's home, and a clone of this project to read in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.embedded import temporary_data_root

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
GUIDE = ROOT / "docs" / "guides" / "multi-tenant-deployment.md"
TENANTS = ROOT / "docs" / "guides" / "tenants.md"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder; the embedded servers' account can pass through it."""
    with temporary_data_root() as folder:
        yield folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the documents use of a clone of this project."""
    for name in ("deploy", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path
