"""Where the revisions lie, and who may run them."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from setuptools import find_packages

from cloacina import schema
from cloacina.schema import Line

PROJECT = Path(__file__).parents[2]
LINES: tuple[Line, ...] = ("platform", "tenant")


@pytest.mark.parametrize("line", LINES)
def test_the_revisions_are_modules_of_a_package_so_that_the_wheel_has_them(line: Line) -> None:
    scripts = ScriptDirectory.from_config(schema._config(line))
    revisions = list(scripts.walk_revisions())
    assert revisions
    for revision in revisions:
        module = f"migrations.{line}.{Path(revision.path).stem}"
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin == revision.path
        assert module.rpartition(".")[0] in find_packages(str(PROJECT))


@pytest.mark.parametrize("line", LINES)
def test_a_line_has_one_newest_revision(line: Line) -> None:
    scripts = ScriptDirectory.from_config(schema._config(line))
    assert scripts.get_heads() == [schema.head(line)]


@pytest.mark.parametrize("line", LINES)
def test_alembic_by_itself_says_what_to_run_instead(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    config = Config("alembic.ini", ini_section=line)
    with pytest.raises(CommandError, match="cloacinactl admin migrate"):
        command.upgrade(config, "head")
