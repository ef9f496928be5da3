"""What holds for every document: nothing hides, no link leads nowhere, nothing is left out."""

import re
import subprocess
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import cloacina
import web.resources
from cloacina.errors import CloacinaError
from cloacina.schema import METADATA
from tests.docs.blocks import CONSOLE, FILES, ONLY_SHOWN, SQL, read_blocks
from tests.docs.conftest import ARCHITECTURE, GUIDE, README, ROOT, TENANTS
from web.errors import STATUSES

DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]
FOLLOWED = (README, GUIDE, TENANTS)

# bases that are not raised themselves, and what only a build's error says
NEVER_ANSWERED = {"conflict", "invalid_workflow", "tenant_has_no_login"}

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


@each_document
def test_no_command_hides_where_nothing_runs_it(document: Path) -> None:
    for block in read_blocks(document):
        assert block.language in {CONSOLE, SQL, *FILES, *ONLY_SHOWN}
        if block.language in ONLY_SHOWN or document not in FOLLOWED:
            assert block.language not in {CONSOLE, SQL}
            typed = [line for line in block.lines if re.match(r"\$ |cloacinactl |docker ", line)]
            assert not typed, f"line {block.line}"


@each_document
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), target


@each_document
def test_every_link_to_a_heading_finds_one(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", text):
        there = document.parent / target if target else document
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}, anchor


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_guide_says_what_to_do_for_every_code_that_the_api_answers_with() -> None:
    explained = set(re.findall(r"^\| (`.*?) \| [0-9, ]+ \|", GUIDE.read_text(), re.MULTILINE))
    named = {code for cell in explained for code in re.findall(r"`(\w+)`", cell)}
    assert _codes() - NEVER_ANSWERED <= named


def _codes() -> set[str]:
    for package in (cloacina, web.resources):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("watchdog"):
                import_module(module.name)
    return {code for kind, _ in STATUSES for code in _codes_of(kind)} | {"internal_error"}


def _codes_of(kind: type[CloacinaError]) -> set[str]:
    inside = kind.__module__.startswith(("cloacina.", "web."))
    below = {code for child in kind.__subclasses__() for code in _codes_of(child)}
    return below | ({kind.code} if inside else set())


def test_the_architecture_names_every_table_dependency_and_folder() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    tables = {table for line in METADATA.values() for table in line.tables}
    assert [name for name in tables if f"`{name}`" not in text] == []
    assert [name for name in _dependencies() if name.lower() not in text.lower()] == []
    assert [name for name in _folders() if f"| `{name}/` |" not in text] == []


def _dependencies() -> list[str]:
    config = ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    return [name[0] for line in lines if (name := re.match(r"[\w-]+", line))]


def _folders() -> list[str]:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    return sorted({path.split("/")[0] for path in tracked if "/" in path} - {".ci", "docs"})
