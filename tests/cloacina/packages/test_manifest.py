import platform
import tomllib

import pytest

from cloacina.packages.errors import InvalidPackage
from cloacina.packages.manifest import Manifest, parse_manifest, render_manifest


def manifest_text(**changes: str) -> str:
    """Write a valid manifest with keys changed, added, or left out (when empty)."""
    keys = {
        "name": '"data-pipeline"',
        "version": '"1.0.0"',
        "language": '"python"',
        "workflow_name": '"nightly"',
    } | changes
    package = ("name", "version", "interface", "interface_version", "extension", "homepage")
    lines = ["[package]"]
    lines += [f"{key} = {keys[key]}" for key in package if keys.get(key)]
    lines += ["[metadata]"]
    lines += [f"{key} = {value}" for key, value in keys.items() if key not in package and value]
    return "\n".join(lines)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidPackage) as caught:
        parse_manifest(text)
    return caught.value.problems


def test_what_is_left_out_has_its_default():
    assert parse_manifest(manifest_text()) == Manifest(
        name="data-pipeline",
        version="1.0.0",
        workflow_name="nightly",
        entry_module="data_pipeline.tasks",
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "[package] name is missing"),
        ({"name": "7"}, "[package] name must be a text"),
        ({"name": '""'}, "[package] name is empty"),
        ({"name": '"-x"'}, "[package] name '-x' is not a package name"),
        ({"name": '"a/b"'}, "[package] name 'a/b' is not a package name"),
        ({"name": '"a\\n"'}, "[package] name 'a\\n' is not a package name"),
        ({"name": f'"{"a" * 200}"'}, "longer than 200 characters"),
        ({"description": '"a\\u0000b"'}, "[metadata] description holds a NUL character"),
        ({"version": ""}, "[package] version is missing"),
        ({"version": "1.0"}, "[package] version must be a text"),
        ({"homepage": '"x"'}, "[package] homepage is not a known key; known are extension, int"),
        ({"interface": '"other"'}, "[package] interface must be 'cloacina-workflow-plugin'"),
        ({"interface_version": "2"}, "[package] interface_version must be 1"),
        ({"interface_version": "true"}, "[package] interface_version must be a whole number"),
        ({"extension": '"zip"'}, "[package] extension must be 'cloacina'"),
        ({"language": ""}, "[metadata] language is missing"),
        ({"language": '"rust"'}, "language is rust; this server runs Python packages"),
        ({"language": '"go"'}, "[metadata] language must be 'python', not 'go'"),
        ({"workflow_name": ""}, "[metadata] workflow_name is missing"),
        ({"workflow_name": '"a::b"'}, "[metadata] workflow_name must not hold '::'"),
        ({"entry_module": '"a b"'}, "[metadata] entry_module 'a b' is not a dotted module path"),
        ({"entry_module": '"../x"'}, "is not a dotted module path"),
        ({"entry_module": '""'}, "is not a dotted module path"),
        ({"requires_python": '"new"'}, "requires_python 'new' is not a version specifier"),
        ({"requires_python": '"<3"'}, f"asks for <3, this is Python {platform.python_version()}"),
        ({"description": "1"}, "[metadata] description must be a text"),
        ({"dependencies": '"x"'}, "[metadata] dependencies must be a list"),
        ({"dependencies": '["requests"]'}, "vendor the modules under vendor/"),
        ({"package_type": '["cron"]'}, "[metadata] package_type is not a key: triggers and sched"),
        ({"triggers": "[{}]"}, "[metadata] triggers is not a key: triggers and schedules are"),
        ({"entry_modul": '"x"'}, "[metadata] entry_modul is not a known key; known are author,"),
    ],
)
def test_a_wrong_key_is_refused_with_its_table(changes, problem):
    (found,) = problems(manifest_text(**changes))
    assert found.startswith("package.toml: [")
    assert problem in found


@pytest.mark.parametrize("key", ["graph_name", "reaction_mode", "input_strategy", "accumulators"])
def test_computation_graphs_are_not_supported_yet(key):
    (found,) = problems(manifest_text(workflow_name="", **{key: '"x"'}))
    assert found.endswith("belongs to computation graphs, which are not supported yet")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "package.toml: the table [package] is missing"),
        ("package = 1", "package.toml: the table [package] is missing"),
        ("[tool.x]", "package.toml: unknown table 'tool'; the tables are [package] and"),
        ("a = 1", "package.toml: unknown key 'a'"),
        ('["a\\u001b[31m"]', "package.toml: unknown table 'a\\x1b[31m'"),
        ("[package", "package.toml: not valid TOML: Expected ']'"),
    ],
)
def test_a_manifest_of_another_form_is_refused(text, problem):
    assert any(found.startswith(problem) for found in problems(text))


def test_every_problem_is_told_at_once():
    assert len(problems("[package]\nname = 1\nfoo = 2\n[metadata]\nlanguage = 'rust'\n")) == 5


@pytest.mark.parametrize(
    "version",
    ["0.0.0", "1.2.3-rc.1", "1.0.0-alpha+001", "1.0.0+21AF26D3---117B344092BD", "1.0.0--.x-y"],
)
def test_a_semantic_version_is_taken(version):
    assert parse_manifest(manifest_text(version=f'"{version}"')).version == version


@pytest.mark.parametrize(
    "version",
    ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "1.0.0-a..b", "1.\u0660.0"],
)
def test_another_version_is_refused(version):
    (found,) = problems(manifest_text(version=f'"{version}"'))
    assert "is not a semantic version" in found


def test_a_written_manifest_is_read_back_the_same():
    manifest = Manifest(
        name="data-pipeline",
        version="1.0.0",
        workflow_name='Nightly "ä" \\ run',
        entry_module="data_pipeline.main",
        description="two\nlines\u007f",
        author="A",
        requires_python=">=3.11",
    )
    text = render_manifest(manifest)
    assert parse_manifest(text) == manifest
    assert render_manifest(parse_manifest(text)) == text
    assert tomllib.loads(text)["package"] == {
        "name": "data-pipeline",
        "version": "1.0.0",
        "interface": "cloacina-workflow-plugin",
        "interface_version": 1,
        "extension": "cloacina",
    }
