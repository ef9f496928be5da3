"""Changing `config.toml` in place: comments and order stay, the file is for its owner alone."""

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from cloacina.config_file import PROFILE_KEYS, TOP_LEVEL_SETTINGS
from cloacina.errors import ConfigurationError, InvalidInput
from cloacina.settings import SETTINGS

ROWS: Mapping[str, Any] = {
    (row.name if row.name in TOP_LEVEL_SETTINGS else f"server.{row.name}"): row
    for row in SETTINGS
    if row.name != "home"
}


class ConfigEditor:
    """One change of a configuration file.

    Parameters:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")

    def values(self) -> dict[str, Any]:
        """Give every value by its dotted key, in the file's order."""
        return dict(_flattened(self.document.unwrap(), ""))

    def set(self, key: str, value: Any) -> None:
        """Set a value; its key must be one that `config.toml` may hold."""
        *tables, name = split_key(key)
        table: Any = self.document
        for depth, part in enumerate(tables, start=1):
            if part not in table:
                # one that holds only tables is written without a header of its own
                new = tomlkit.table(is_super_table=depth < len(tables))
                table[part] = {} if isinstance(table, InlineTable) else new
            table = table[part]
        table[name] = value

    def remove(self, key: str) -> None:
        """Remove a value or a table, when it is there."""
        *tables, name = split_key(key, whole_profile=True)
        table: Any = self.document
        for part in tables:
            table = table.get(part, {})
        table.pop(name, None)

    def save(self) -> None:
        """Write the file, mode 0600, in one step.

        Raises:
            ConfigurationError: its layout cannot be kept together with the change.
        """
        text = tomlkit.dumps(self.document)
        # a new table after top-level dotted keys (`server.workers = 2`) would swallow them
        try:
            kept = tomllib.loads(text) == self.document.unwrap()
        except tomllib.TOMLDecodeError:
            kept = False
        if not kept:
            raise ConfigurationError(
                f"{self.path} is laid out in a way that this change would break; edit it by hand, "
                "or write its dotted keys as tables: [profiles.<name>], [server]"
            )
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # a link, as dotfile managers make, stays one
        target = self.path.resolve()
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".config-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def split_key(key: str, *, whole_profile: bool = False) -> list[str]:
    """Check a dotted key and take it apart.

    Parameters:
        key: `database_url`, `server.workers`, `profiles.acme.server`.
        whole_profile: `profiles.acme` alone is meant, too.

    Returns:
        Its parts; a profile's name may hold dots.

    Raises:
        InvalidInput: `config.toml` has no such key; the text names those that it has.
    """
    if key.startswith("profiles."):
        middle, _, last = key.removeprefix("profiles.").rpartition(".")
        if whole_profile:
            return ["profiles", key.removeprefix("profiles.")]
        if middle and last in PROFILE_KEYS:
            return ["profiles", middle, last]
    elif key in ROWS or key == "default_profile":
        return key.split(".")
    profile = ", ".join(f"profiles.<name>.{name}" for name in PROFILE_KEYS)
    known = ", ".join(sorted([*ROWS, "default_profile"]))
    raise InvalidInput(f"{key}: unknown key; known: {known}, {profile}")


def parse_value(key: str, text: str) -> Any:
    """Read a value as it is written on the command line.

    Parameters:
        key: whose value it is.
        text: a TOML integer, boolean or array is taken as such, all else as text.

    Returns:
        The value.

    Raises:
        ConfigurationError: the key cannot have this value; the text says what it can have.
    """
    row = ROWS.get(key)
    if row is None:
        return text
    refusal: ValueError | None = None
    for value in (_toml_value(text), text):
        try:
            row.metadata["parse"](value)
        except ValueError as error:
            refusal = refusal or error
        else:
            return value
    shown = "" if row.metadata["secret"] else f" {text!r}"
    raise ConfigurationError(f"{key}:{shown} {refusal}")


def _toml_value(text: str) -> Any:
    try:
        value = tomlkit.value(text).unwrap()
    except (TOMLKitError, ValueError):
        return text
    return value if isinstance(value, bool | int | list) else text


def _flattened(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            pairs += _flattened(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs
