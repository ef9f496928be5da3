"""`package`: make packages, check them, and send them to the server."""

import tempfile
from pathlib import Path
from typing import Any

import click

from cli.follow import wait_for_build
from cli.options import Group, force_flag
from cli.output import Columns, show_done, show_id, show_list, show_object
from cli.prompts import confirm
from cli.state import State, pass_state
from cloacina.errors import InvalidInput

package = Group("package", help="Make, check and upload packages.")

_PATH = click.Path(path_type=Path)
_wait_flag = click.option("--wait", is_flag=True, help="Wait for the build; exit 5 when it fails.")


@package.command("new")
@click.argument("name")
@click.option(
    "--lang", type=click.Choice(["python", "rust"]), default="python", help="Language [python]."
)
@click.option(
    "--kind",
    type=click.Choice(["workflow", "cron"]),
    default="workflow",
    help="What it begins with [workflow].",
)
@click.option("--path", type=_PATH, metavar="DIR", help="Where to make it [./NAME].")
def new(name: str, lang: str, kind: str, path: Path | None) -> None:
    """Make a package that validates and runs as it is, with a test."""
    if lang == "rust":
        raise InvalidInput("this server runs Python packages only; leave out --lang rust")
    from cloacina.packages.scaffold import create

    folder = create(name, kind, path or Path(name))
    click.echo(f"created {lang} {kind} package at {folder}")


@package.command("validate")
@click.argument("path", type=_PATH)
def validate(path: Path) -> None:
    """Check a package's folder or archive as the server would."""
    from cloacina.packages.archive import inspect_archive
    from cloacina.packages.source import validate_source

    form = "source" if path.is_dir() else "archive"
    manifest = (validate_source if path.is_dir() else inspect_archive)(path).manifest
    click.echo(f"ok: {manifest.name} {manifest.version} (python) — {form} package is valid")


@package.command("build")
@click.argument("directory", metavar="DIR", type=_PATH)
def build(directory: Path) -> None:
    """Check a package's folder; Python has nothing to compile."""
    from cloacina.packages.source import validate_source

    validate_source(directory)
    click.echo("nothing to compile: this is a Python package")


@package.command("pack")
@click.argument("directory", metavar="DIR", type=_PATH)
@click.option("--out", type=_PATH, metavar="PATH", help="The archive [./NAME-VERSION.cloacina].")
def pack(directory: Path, out: Path | None) -> None:
    """Make the archive of a package; the same source gives the same bytes."""
    from cloacina.packages.pack import pack as write

    click.echo(write(directory, out))


@package.command("upload")
@click.argument("file", type=_PATH)
@_wait_flag
@pass_state
def upload(state: State, file: Path, wait: bool) -> None:
    """Upload an archive and print the package's id."""
    _upload(state, file, wait)


@package.command("publish")
@click.argument("directory", metavar="DIR", type=_PATH)
@_wait_flag
@pass_state
def publish(state: State, directory: Path, wait: bool) -> None:
    """Pack a folder, upload it, and print the package's id."""
    from cloacina.packages.pack import pack as write

    with tempfile.TemporaryDirectory() as folder:
        _upload(state, write(directory, Path(folder)), wait)


def _upload(state: State, file: Path, wait: bool) -> None:
    from cli.upload import upload as send

    sent = send(state, file)
    show_id(state, sent)
    if wait:
        wait_for_build(state, sent["package_id"])


@package.command("list")
@click.option("--filter", "part", metavar="S", help="Only packages whose name contains it.")
@pass_state
def list_packages(state: State, part: str | None) -> None:
    """List the packages in use."""
    items = state.client.items(state.tenant_path("workflows"))
    columns: Columns = {
        "ID": "id",
        "PACKAGE": "package_name",
        "VERSION": "version",
        "WORKFLOW": "workflow_name",
        "CREATED": "created_at",
        "DESCRIPTION": "description",
    }
    show_list(state, [item for item in items if (part or "") in item["package_name"]], columns)


@package.command("inspect")
@click.argument("package_id", metavar="ID")
@pass_state
def inspect(state: State, package_id: str) -> None:
    """Show a package, whatever the state of its build."""
    show_object(state, _package(state, package_id))


@package.command("delete")
@click.argument("package_id", metavar="ID")
@force_flag
@pass_state
def delete(state: State, package_id: str, force: bool) -> None:
    """Delete one version of a package; what runs goes on."""
    confirm(f"delete package {package_id}", force=force)
    found = _package(state, package_id)
    name, version = found["package_name"], found["version"]
    answer = state.client.delete(state.tenant_path("workflows", name, version))
    show_done(state, {"id": found["id"]} | answer, f"deleted package {name} {version}")


def _package(state: State, package_id: str) -> Any:
    return state.client.get(state.tenant_path("workflows", package_id))
