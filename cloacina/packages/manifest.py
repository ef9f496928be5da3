"""`package.toml`: what it may say, read and written.

It holds two closed tables, `[package]` and `[metadata]`; whatever is not known there is refused by
name, so that a misspelt key never passes for a default.
"""

import platform
import re
import tomllib
from dataclasses import dataclass
from typing import Any, TypeVar

import tomlkit
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cloacina.packages.errors import InvalidPackage, printable

MANIFEST_NAME = "package.toml"
ARCHIVE_SUFFIX = ".cloacina"
PYTHON, RUST = "python", "rust"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC_VERSION = re.compile(  # Semantic Versioning 2.0.0, points 2, 9 and 10
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LONGEST_FOLDER_NAME = 200

# what `pack` fills in, and the only values that this server reads
_INTERFACE = {
    "interface": "cloacina-workflow-plugin",
    "interface_version": 1,
    "extension": "cloacina",
}
_PACKAGE_KEYS = {"name", "version", *_INTERFACE}
_METADATA_KEYS = {
    "language",
    "workflow_name",
    "entry_module",
    "requires_python",
    "description",
    "author",
    "dependencies",
}
_GRAPH_KEYS = ("graph_name", "reaction_mode", "input_strategy", "accumulators")
_IN_CODE = "is not a key: triggers and schedules are declared in code, with @cloaca.trigger"
_REFUSED_KEYS = {
    "package_type": _IN_CODE,
    "triggers": _IN_CODE,
    **dict.fromkeys(_GRAPH_KEYS, "belongs to computation graphs, which are not supported yet"),
}
_TYPE_NAMES = {str: "a text", int: "a whole number", list: "a list"}

T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """What a package says about itself, with its defaults filled in.

    Attributes:
        name, version: of the package; together the name of its top folder.
        workflow_name: what callers execute.
        entry_module: dotted path of the module, relative to `workflow/`, that declares the tasks.
        requires_python: a PEP 440 specifier that the running Python has met.
    """

    name: str
    version: str
    workflow_name: str
    entry_module: str
    description: str | None = None
    author: str | None = None
    requires_python: str | None = None

    @property
    def folder_name(self) -> str:
        """The one top folder of the package's archive."""
        return f"{self.name}-{self.version}"

    @property
    def archive_name(self) -> str:
        """The file name that the package's archive has by default."""
        return self.folder_name + ARCHIVE_SUFFIX


def parse_manifest(text: str, *, inferred_language: str | None = None) -> Manifest:
    """Read and check a manifest.

    Parameters:
        text: the whole of `package.toml`.
        inferred_language: taken when the manifest names no language, as a source folder's need
            not; without it a missing language is refused, as in archives.

    Raises:
        InvalidPackage: with every problem found, each naming the file, the table and the key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPackage(f"{MANIFEST_NAME}: not valid TOML: {error}") from None
    problems = [
        f"{MANIFEST_NAME}: unknown {'table' if isinstance(value, dict) else 'key'} "
        f"'{printable(key)}'; the tables are [package] and [metadata]"
        for key, value in document.items()
        if key not in ("package", "metadata")
    ]
    package = _Table("package", document, _PACKAGE_KEYS, problems)
    metadata = _Table("metadata", document, _METADATA_KEYS, problems)
    manifest = _read(package, metadata, inferred_language)
    if problems:
        raise InvalidPackage(*problems)
    return manifest


def render_manifest(manifest: Manifest) -> str:
    """Write a manifest out in full, defaults and all, as it lies in an archive."""
    values = {
        "language": PYTHON,
        "workflow_name": manifest.workflow_name,
        "entry_module": manifest.entry_module,
        "requires_python": manifest.requires_python,
        "description": manifest.description,
        "author": manifest.author,
    }
    return tomlkit.dumps(
        {
            "package": {"name": manifest.name, "version": manifest.version, **_INTERFACE},
            "metadata": {key: value for key, value in values.items() if value is not None},
        }
    )


def check_name(name: str) -> None:
    """Refuse a name that no package may have.

    Raises:
        ValueError: saying which characters a name is made of.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a package name; use letters, digits, '.', '_' and '-', "
            "and begin with a letter or a digit"
        )


def module_name(package_name: str) -> str:
    """Give the Python form of a package's name: `data-pipeline` is `data_pipeline`."""
    return re.sub(r"[.-]", "_", package_name)


class _Table:
    """One table of the manifest; notes what is wrong with it as its keys are asked for."""

    def __init__(
        self, name: str, document: dict[str, Any], known: set[str], problems: list[str]
    ) -> None:
        self._name = name
        self._problems = problems
        self._values: dict[str, Any] = {}
        found = document.get(name)
        if isinstance(found, dict):
            self._values = found
        else:
            problems.append(f"{MANIFEST_NAME}: the table [{name}] is missing")
        for key in self._values:
            if key in _REFUSED_KEYS:
                self.problem(key, _REFUSED_KEYS[key])
            elif key not in known:
                self.problem(key, f"is not a known key; known are {', '.join(sorted(known))}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def problem(self, key: str, text: str) -> None:
        self._problems.append(f"{MANIFEST_NAME}: [{self._name}] {printable(key)} {text}")

    def get(self, key: str, kind: type[T]) -> T | None:
        """Give a key's value, or None where it is missing or of another type."""
        value = self._values.get(key)
        if isinstance(value, str) and "\0" in value:
            # no text of a database can hold it
            self.problem(key, "holds a NUL character; remove it")
            return None
        if value is None or type(value) is kind:  # exactly: a bool is no whole number here
            return value
        self.problem(key, f"must be {_TYPE_NAMES[kind]}")
        return None

    def required(self, key: str, hint: str) -> str | None:
        """Give a text that has to be there; `hint` says what to write when it is not."""
        value = self.get(key, str)
        if value is None and key not in self:
            self.problem(key, f"is missing; {hint}")
        elif value == "":
            self.problem(key, f"is empty; {hint}")
            return None
        return value


def _read(package: _Table, metadata: _Table, inferred_language: str | None) -> Manifest:
    name = _read_name(package)
    version = _read_version(package)
    if len(name) + len(version) > _LONGEST_FOLDER_NAME:
        package.problem(
            "name", f"and version together are longer than {_LONGEST_FOLDER_NAME} characters"
        )
    for key, expected in _INTERFACE.items():
        value = package.get(key, type(expected))
        if value is not None and value != expected:
            package.problem(key, f"must be {expected!r}; `cloacinactl package pack` fills it in")
    _check_language(metadata, inferred_language)
    _check_dependencies(metadata)
    return Manifest(
        name=name,
        version=version,
        workflow_name=_read_workflow_name(metadata),
        entry_module=_read_entry_module(metadata, name),
        description=metadata.get("description", str),
        author=metadata.get("author", str),
        requires_python=_read_requires_python(metadata),
    )


def _read_name(package: _Table) -> str:
    name = package.required("name", 'write a name, such as name = "data-pipeline"')
    if name is not None:
        try:
            check_name(name)
        except ValueError as error:
            package.problem("name", str(error))
            return ""
    return name or ""


def _read_version(package: _Table) -> str:
    version = package.required("version", 'write a semantic version, such as version = "1.0.0"')
    if version is not None and not _SEMANTIC_VERSION.fullmatch(version):
        package.problem(
            "version", f"{version!r} is not a semantic version (https://semver.org), such as 1.0.0"
        )
    return version or ""


def _read_workflow_name(metadata: _Table) -> str:
    if any(key in metadata for key in _GRAPH_KEYS) and "workflow_name" not in metadata:
        return ""  # a computation graph's package, which is refused by its own keys
    workflow = metadata.required("workflow_name", "name the workflow that the package holds")
    # it is one part of `tenant::package::workflow::task`, and of a path in URLs
    if workflow and ("::" in workflow or "/" in workflow or not workflow.isprintable()):
        metadata.problem("workflow_name", "must not hold '::', '/' or control characters")
    return workflow or ""


def _read_entry_module(metadata: _Table, package_name: str) -> str:
    module = metadata.get("entry_module", str)
    if module is None and not package_name:
        return ""  # no name, which is told already, and so no default
    if module is None:
        module = f"{module_name(package_name)}.tasks"
    if not all(part.isidentifier() for part in module.split(".")):
        metadata.problem(
            "entry_module",
            f"{module!r} is not a dotted module path; name the module under workflow/ that "
            'declares the tasks, such as entry_module = "data_pipeline.tasks"',
        )
    return module


def _read_requires_python(metadata: _Table) -> str | None:
    requirement = metadata.get("requires_python", str)
    if requirement is None:
        return None
    running = platform.python_version()
    try:
        met = SpecifierSet(requirement).contains(running, prereleases=True)
    except InvalidSpecifier:
        metadata.problem(
            "requires_python", f"{requirement!r} is not a version specifier, such as >=3.11"
        )
    else:
        if not met:
            metadata.problem("requires_python", f"asks for {requirement}, this is Python {running}")
    return requirement


def _check_language(metadata: _Table, inferred: str | None) -> None:
    language = metadata.get("language", str)
    if "language" not in metadata:
        language = inferred
        if inferred is None:
            metadata.problem(
                "language",
                'is missing; write language = "python", or let `cloacinactl package pack` do it',
            )
    if language == RUST:
        metadata.problem("language", "is rust; this server runs Python packages")
    elif language not in (None, PYTHON):
        metadata.problem("language", f"must be 'python', not {language!r}")


def _check_dependencies(metadata: _Table) -> None:
    if metadata.get("dependencies", list):
        metadata.problem(
            "dependencies",
            "cannot be installed by this version; vendor the modules under vendor/ "
            "(`pip install --target vendor …`) and leave the key out",
        )
