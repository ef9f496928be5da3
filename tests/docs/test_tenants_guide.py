"""The guide to a tenant's life is followed from its first command to its last."""

from pathlib import Path

from cloacina.embedded.ports import choose
from tests.docs.conftest import TENANTS
from tests.docs.runner import Runner


def test_the_life_of_a_tenant_goes_as_the_guide_shows(home: Path, tmp_path: Path) -> None:
    places = {"127.0.0.1:8080": f"127.0.0.1:{choose('127.0.0.1')}"}
    with Runner(home, tmp_path, places=places) as runner:
        runner.follow(TENANTS)
