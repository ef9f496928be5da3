"""Every setting of the services, in one typed table.

A value comes from, in this order: the command's flag, the environment (`CLOACINA_<NAME>`), the
configuration file, the default. It is read once, when a process starts, and handed on as a value.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from cloacina.config_file import CONFIG_NAME, ConfigFile, read_config
from cloacina.errors import ConfigurationError

ENV_PREFIX = "CLOACINA_"
T = TypeVar("T")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _whole_number(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("must be a whole number")
        try:
            number = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"must be between {low} and {high}")
        return number

    return parse


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("must be a list of texts, or one text with commas")


def _address(value: object) -> str:
    host, separator, port = _text(value).rpartition(":")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be host:port, such as 127.0.0.1:8080")
    return value  # type: ignore[return-value]  # _text has refused all else


def _one_of(*words: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        word = _text(value).lower()
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return parse


def _path(value: object) -> Path:
    return Path(value if isinstance(value, Path) else _text(value)).expanduser().absolute()


HIGHEST_LIMITS: Mapping[str, int] = {
    "max_agents": 256,
    "max_concurrent_tasks": 100_000,
    "max_queued_executions": 1_000_000,
    "max_packages": 1_000_000,
    "max_storage_bytes": 1024**5,
    "max_requests_per_s": 1_000_000,
}
"""What each limit of a tenant may be at most, its default here and its own alike."""


def setting(default: T, parse: Callable[[object], T], text: str, *, secret: bool = False) -> T:
    """Declare a row of the table.

    Parameters:
        default: the value when nobody gives one.
        parse: makes the value from a flag, a variable's text or a TOML value; raises ValueError.
        text: what the setting does, with its unit.
        secret: its value is never shown or logged.

    Returns:
        The dataclass field, typed as the value that it holds.
    """
    metadata = {"parse": parse, "help": text, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """The settings of one service process."""

    home: Path = setting(
        Path("~/.cloacina").expanduser(), _path, "folder of configuration, keys and embedded data"
    )
    database_url: str = setting(
        "",
        _text,
        "postgresql://… or sqlite:///path; empty: an embedded PostgreSQL under the home folder",
        secret=True,
    )
    broker_url: str = setting(
        "",
        _text,
        "redis://… of a Valkey or Redis; empty: an embedded Valkey under the home folder",
        secret=True,
    )
    bind: str = setting("127.0.0.1:8080", _address, "address and port of the API")
    workers: int = setting(
        1, _whole_number(0, 256), "worker processes that `server start` runs; 0: the API alone"
    )
    concurrency: int = setting(4, _whole_number(1, 256), "tasks that a worker runs at once")
    worker_tenants: tuple[str, ...] = setting(
        (), _texts, "tenants that a worker serves and no others; none: it serves all"
    )
    bootstrap_key: str = setting(
        "", _text, "the first admin key; empty: one is generated", secret=True
    )
    reconcile_interval_s: int = setting(
        60, _whole_number(1, 86_400), "seconds between two looks after a tenant's packages"
    )
    task_timeout_s: int = setting(
        300, _whole_number(1, 604_800), "seconds that an attempt of a task may take by default"
    )
    execution_timeout_s: int = setting(
        3600,
        _whole_number(1, 31_536_000),
        "seconds that an execution may take from its first task on, pauses not counted",
    )
    tenant_running_tasks: int = setting(
        0,
        _whole_number(0, HIGHEST_LIMITS["max_concurrent_tasks"]),
        "tasks of one tenant that run at once at most; 0: one fewer than its workers have slots."
        " This and the next five are what a tenant has that has no limit of its own",
    )
    tenant_queued_executions: int = setting(
        10_000,
        _whole_number(1, HIGHEST_LIMITS["max_queued_executions"]),
        "executions of one tenant that were accepted and have not ended, at most",
    )
    tenant_packages: int = setting(
        1_000,
        _whole_number(1, HIGHEST_LIMITS["max_packages"]),
        "versions of packages that are stored for one tenant at most",
    )
    tenant_storage_bytes: int = setting(
        10 * 1024**3,
        _whole_number(1, HIGHEST_LIMITS["max_storage_bytes"]),
        "bytes of packages that are stored for one tenant at most",
    )
    tenant_requests_per_s: int = setting(
        200,
        _whole_number(1, HIGHEST_LIMITS["max_requests_per_s"]),
        "requests a second that one tenant's keys may send, over all replicas of the API",
    )
    default_max_agents: int = setting(
        4,
        _whole_number(1, HIGHEST_LIMITS["max_agents"]),
        "workers of its own that one tenant may have at most",
    )
    fleet_raise_after_s: int = setting(
        0,
        _whole_number(0, 86_400),
        "seconds that a tenant's task may wait to begin before the tenant gets one more worker of"
        " its own, within its limit; it goes again when nothing has waited so long for three times"
        " as long; 0: never",
    )
    worker_stop_grace_s: int = setting(
        20,
        _whole_number(0, 3600),
        "seconds that running tasks get when a worker is told to stop; then they are given back",
    )
    tenant_deletion_drain_timeout_s: int = setting(
        30,
        _whole_number(0, 3600),
        "seconds that the running tasks of a tenant get when it is deleted; then they are killed",
    )
    max_context_bytes: int = setting(
        1024 * 1024, _whole_number(1024, 64 * 1024 * 1024), "largest context of a task, in bytes"
    )
    max_log_bytes: int = setting(
        1024 * 1024,
        _whole_number(0, 1024 * 1024 * 1024),
        "bytes that are kept of what an attempt of a task writes to stdout and stderr; a line"
        " counts as 32 at least; 0: only a note of how much it was",
    )
    max_scratch_bytes: int = setting(
        1024 * 1024 * 1024,
        _whole_number(1024 * 1024, 1024**5),
        "bytes that the scratch folder of a task may hold while it runs, and that a file may hold"
        " which a task writes",
    )
    database_pool_size: int = setting(
        8, _whole_number(1, 256), "database connections that one process keeps at most"
    )
    cors_origins: tuple[str, ...] = setting(
        (), _texts, "origins of web pages that may call the API; none by default"
    )
    trusted_proxies: int = setting(
        0,
        _whole_number(0, 16),
        "proxies before the API, one behind the other, that say in X-Forwarded-For who asks",
    )
    metrics_bind: str = setting(
        "",
        lambda value: _address(value) if value else "",
        "own address of /metrics; empty: the API's",
    )
    metrics_token: str = setting(
        "", _text, "bearer token that /metrics asks for; empty: none", secret=True
    )
    task_events: bool = setting(False, _yes_or_no, "workers report each hint, for Flower")
    log_level: str = setting(
        "info", _one_of("debug", "info", "warning", "error"), "least severe line that is logged"
    )

    def environment(self) -> dict[str, str]:
        """Write the settings as variables for a service's process.

        A process that we start gets its settings so and not as arguments, which everyone on the
        machine can read.

        Returns:
            One `CLOACINA_<NAME>` for each setting.
        """
        return {
            ENV_PREFIX + row.name.upper(): _as_variable(getattr(self, row.name))
            for row in fields(self)
        }


def _as_variable(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


SETTINGS: tuple[Field[Any], ...] = fields(Settings)
SETTING_NAMES = frozenset(row.name for row in SETTINGS)


def resolve_home(flag: str | Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Find the home folder, which holds the configuration file that all else may come from.

    Parameters:
        flag: `--home`, when given.
        environ: the environment.

    Returns:
        The absolute path; nothing is created.
    """
    return _path(flag or environ.get("CLOACINA_HOME") or "~/.cloacina")


def load_config(home: Path) -> ConfigFile:
    """Read the configuration file of a home folder; raises what `read_config` raises."""
    return read_config(home / CONFIG_NAME, SETTING_NAMES)


def load_settings(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Resolve every setting: flag, then environment, then configuration file, then default.

    Parameters:
        flags: values by setting's name; None means not given.
        environ: the environment.

    Returns:
        The settings.

    Raises:
        ConfigurationError: a value cannot be used; the text names the setting and its source.
    """
    flags = flags or {}
    home = resolve_home(cast("str | Path | None", flags.get("home")), environ)
    config = load_config(home)
    values: dict[str, object] = {"home": home}
    for row in SETTINGS:
        if row.name == "home":
            continue
        value, source = _first_given(row, flags, environ, config)
        try:
            values[row.name] = row.metadata["parse"](value)
        except ValueError as error:
            shown = "" if row.metadata["secret"] else f" {value!r}"
            raise ConfigurationError(f"{source}:{shown} {error}") from None
    return Settings(**values)  # type: ignore[arg-type]  # each row's parser has typed its value


def _first_given(
    row: Field[Any], flags: Mapping[str, object], environ: Mapping[str, str], config: ConfigFile
) -> tuple[object, str]:
    variable = ENV_PREFIX + row.name.upper()
    if flags.get(row.name) is not None:
        return flags[row.name], "--" + row.name.replace("_", "-")
    if variable in environ:
        return environ[variable], variable
    if row.name in config.settings:
        return config.settings[row.name], f"{config.path}: {row.name}"
    assert row.default is not MISSING  # noqa: S101  # every row is declared with `setting`
    return row.default, "default"
