"""Makes the source folder of a new package from the templates in `scaffold/`."""

import keyword
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from cloacina.errors import InvalidInput
from cloacina.packages.contents import RESERVED_MODULES
from cloacina.packages.manifest import check_name, module_name

_SUFFIX = ".tmpl"
# the folder of the templates that is named after the package's module
_MODULE_FOLDER = "module"


def create(name: str, kind: str, folder: Path) -> Path:
    """Make a package that validates, packs and runs as it is, with a test of its workflow.

    Parameters:
        name: of the package and of its workflow.
        kind: what it begins with; this version knows `workflow`.
        folder: where to make it; it must be empty or not exist.

    Returns: the folder.

    Raises:
        InvalidInput: the name is none, the kind is not supported, or the folder is not empty.
        OSError: it cannot be written.
    """
    if kind == "cron":
        raise InvalidInput("schedules are not supported by this version yet; leave out --kind cron")
    if kind != "workflow":
        raise InvalidInput(f"unknown kind {kind!r}; the kind is workflow")
    try:
        check_name(name)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is not an empty folder; pass another with --path")
    values = {"name": name, "module": _importable(name)}
    templates = files("cloacina.packages") / "scaffold"
    for path, template in _templates(templates, ()):
        place = folder.joinpath(*(values["module"] if p == _MODULE_FOLDER else p for p in path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(Template(template).substitute(values), encoding="utf-8")
    return folder


def _templates(folder: Traversable, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, (*path, entry.name))
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            yield (*path, name), entry.read_text(encoding="utf-8")


def _importable(package_name: str) -> str:
    module = module_name(package_name).lower()
    if not module.isidentifier() or keyword.iskeyword(module) or module in RESERVED_MODULES:
        return f"workflow_{module}"
    return module
