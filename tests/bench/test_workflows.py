"""The workflows that are measured have the shapes that their names promise."""

from pathlib import Path
from uuid import uuid4

import pytest

from bench import workflows
from cloacina.packages.archive import unpack_archive
from cloacina.packages.cache import import_paths
from cloacina.sandbox import Code, Host, Sandbox


@pytest.mark.parametrize(
    ("name", "dependencies"),
    [
        (workflows.SINGLE, [0]),
        (workflows.SLEEP, [0]),
        (workflows.LONG, [0]),
        (workflows.CHAIN, [0, 1, 1]),
        (workflows.fan(20), [0, *[1] * 20, 20]),
    ],
)
def test_a_workflow_packs_loads_and_has_its_shape(
    name: str, dependencies: list[int], tmp_path: Path
) -> None:
    archive = workflows.archive(name, tmp_path / "packages")
    unpack_archive(archive, tmp_path / "unpacked")
    code = Code(
        tenant_id=uuid4(),
        content_hash="0",
        tenant="bench",
        package=name,
        workflow=name,
        entry_module=f"{workflows.MODULE}.tasks",
        paths=import_paths(tmp_path / "unpacked"),
    )
    host = Host(tmp_path)
    host.start()
    sandbox = Sandbox(host)
    try:
        definition = sandbox.load(code)
    finally:
        sandbox.close()
        host.close()

    assert [len(task["dependencies"]) for task in definition["tasks"]] == dependencies
