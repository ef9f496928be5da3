"""The configuration file is read whole or refused, with the file, the line and the key."""

from pathlib import Path

import pytest

from cloacina.config_file import ConfigFile, read_config
from cloacina.errors import ConfigurationError

NAMES = {"home", "database_url", "broker_url", "workers", "bind"}


def read(tmp_path: Path, text: str) -> ConfigFile:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return read_config(path, NAMES)


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    config = read_config(tmp_path / "config.toml", NAMES)
    assert (config.settings, config.profiles, config.default_profile) == ({}, {}, None)


def test_settings_and_profiles_are_told_apart(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        database_url = "sqlite:///x.db"
        default_profile = "prod"
        [server]
        workers = 2
        [profiles.prod]
        server = "http://127.0.0.1:8080"
        api_key = "env:KEY"
        tenant = "acme"
        """,
    )
    assert config.settings == {"database_url": "sqlite:///x.db", "workers": 2}
    assert config.profiles["prod"]["tenant"] == "acme"
    assert config.default_profile == "prod"


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('databse_url = "x"', 1, "databse_url"),
        ("\n[server]\nworkers = 1\nwrkers = 2", 4, "server.wrkers"),
        ('[server]\ndatabase_url = "x"', 2, "server.database_url"),
        ('[server]\nhome = "x"', 2, "server.home"),
        ('[profiles.a]\nserver = "s"\n\n[profiles.b]\nkey = "k"', 5, "profiles.b.key"),
        ("[profiles.a]\nserver = 5", 2, "profiles.a.server"),
        ("default_profile = 1", 1, "default_profile"),
        ("server = 1", 1, "server"),
        ("[sever]\nworkers = 1", 1, "sever"),
    ],
)
def test_what_is_unknown_or_wrong_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path / 'config.toml'}, line {line}: {key}: ")


def test_broken_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.toml: not valid TOML: .*line 2"):
        read(tmp_path, "a = 1\n= 2")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_config(path, NAMES)
