from collections.abc import Iterator
from pathlib import Path

import pytest

from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_root


@pytest.fixture
def data_root() -> Iterator[Path]:
    with temporary_data_root() as root:
        yield root


@pytest.fixture(scope="module")
def running_postgres() -> Iterator[EmbeddedPostgres]:
    with temporary_data_root() as root, EmbeddedPostgres(root) as server:
        yield server


@pytest.fixture(scope="module")
def running_valkey() -> Iterator[EmbeddedValkey]:
    with temporary_data_root() as root, EmbeddedValkey(root) as server:
        yield server
