"""`<home>/config.toml`: read whole, checked whole, never half ignored.

Clients read profiles from it and services read settings; both refuse a key that nobody knows,
because a misspelt `databse_url` that is skipped starts an empty server.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloacina.errors import ConfigurationError

CONFIG_NAME = "config.toml"
TOP_LEVEL_SETTINGS = ("database_url", "broker_url")
PROFILE_KEYS = ("server", "api_key", "tenant")


@dataclass(frozen=True)
class ConfigFile:
    """What one configuration file says.

    Parameters:
        path: the file, which need not exist.
        settings: values of server settings by name, as TOML gave them.
        profiles: the client profiles by name.
        default_profile: the profile used when none is named.
    """

    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default_profile: str | None = None


def read_config(path: Path, setting_names: Collection[str]) -> ConfigFile:
    """Read and check a configuration file.

    Parameters:
        path: the file; a missing one is an empty one.
        setting_names: the names that `[server]` may hold.

    Returns:
        The file's content, checked.

    Raises:
        ConfigurationError: the file cannot be read, is no TOML, or has an unknown key or a value of
            the wrong type; the text names file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ConfigFile(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    return _Reader(path, text, setting_names).check(data)


class _Reader:
    def __init__(self, path: Path, text: str, setting_names: Collection[str]) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.setting_names = setting_names

    def check(self, data: dict[str, Any]) -> ConfigFile:
        known = {*TOP_LEVEL_SETTINGS, "default_profile", "profiles", "server"}
        self._known_only(data, known, "")
        settings = {name: data[name] for name in TOP_LEVEL_SETTINGS if name in data}
        server = self._table(data, "server", "")
        # the two URLs have one place each: at the top, where clients of the reference expect them
        self._known_only(server, set(self.setting_names) - {*TOP_LEVEL_SETTINGS, "home"}, "server")
        settings.update(server)
        profiles = self._table(data, "profiles", "")
        for name in profiles:
            profile = self._table(profiles, name, "profiles")
            self._known_only(profile, set(PROFILE_KEYS), f"profiles.{name}")
            for key in profile:
                self._text(profile, key, f"profiles.{name}")
        default = self._text(data, "default_profile", "")
        return ConfigFile(self.path, settings, profiles, default)

    def _known_only(self, table: dict[str, Any], known: Collection[str], where: str) -> None:
        for key in table:
            if key not in known:
                raise self._wrong(
                    key, where, f"unknown key; known here: {', '.join(sorted(known))}"
                )

    def _table(self, parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, where, "must be a table")
        return value

    def _text(self, table: dict[str, Any], key: str, where: str) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, where, "must be a string")
        return value

    def _wrong(self, key: str, where: str, problem: str) -> ConfigurationError:
        dotted = f"{where}.{key}" if where else key
        return ConfigurationError(
            f"{self.path}, line {self._line_of(key, where)}: {dotted}: {problem}"
        )

    def _line_of(self, key: str, where: str) -> int:
        """TOML readers keep no positions, so the line is found again in the text."""
        name = rf"[\"']?{re.escape(key)}[\"']?"
        header = re.compile(rf"\s*\[\s*(.*\.\s*)?{name}\s*(\.|\])")
        pair = re.compile(rf"\s*(.*\.\s*)?{name}\s*[=.]")
        section = ""
        for number, line in enumerate(self.lines, start=1):
            if line.lstrip().startswith("["):
                section = line.strip().strip("[]").strip()
            if header.match(line) or (section == where and pair.match(line)):
                return number
        return 1
