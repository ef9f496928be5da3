"""What one run of the command line knows: its flags, and what follows from them when asked for."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cloacina.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from cli.client import Client
    from cloacina.config_file import ConfigFile

_WAYS = "--profile <NAME>, or set default_profile in ~/.cloacina/config.toml."
NO_SERVER = f"no server configured. Pass --server <URL>, {_WAYS}"
NO_KEY = f"no API key configured. Pass --api-key <KEY>, {_WAYS}"
PUBLIC_TENANT = "public"


class State:
    """The flags of one run, and the profile, server, key and tenant that they lead to.

    Everything is worked out when it is first asked for: a command that needs no server reads no
    key, and `whoami` is asked at most once.

    Attributes:
        flags: the global flags that were given, by name; the innermost of each.
    """

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}

    @property
    def verbose(self) -> bool:
        """Whether to say more on stderr."""
        return bool(self.flags.get("verbose"))

    @property
    def output(self) -> str:
        """The form of the output: table, json, yaml or id."""
        return str(self.flags.get("output", "table"))

    @property
    def color(self) -> bool:
        """Whether colours may be used, as far as the flags go."""
        return not self.flags.get("no_color")

    @cached_property
    def home(self) -> Path:
        """The home folder."""
        from cloacina.settings import resolve_home

        return resolve_home(self.flags.get("home"))

    @cached_property
    def config(self) -> "ConfigFile":
        """The configuration file, checked."""
        from cloacina.settings import load_config

        return load_config(self.home)

    @cached_property
    def profile(self) -> Mapping[str, str]:
        """The profile of `--profile`, else the default one, else an empty one."""
        name = self.flags.get("profile") or self.config.default_profile
        if not name:
            return {}
        if name not in self.config.profiles:
            known = ", ".join(sorted(self.config.profiles)) or "none"
            raise ConfigurationError(
                f"no profile {name!r} in {self.config.path}; there is: {known}"
            )
        return self.config.profiles[name]

    @cached_property
    def server(self) -> str:
        """The server's URL, without a slash at its end."""
        url = self.flags.get("server") or self.profile.get("server")
        if not url:
            raise ConfigurationError(NO_SERVER)
        return checked_url(url)

    @property
    def has_key(self) -> bool:
        """Whether an API key is configured."""
        return bool(self.flags.get("api_key") or self.profile.get("api_key"))

    @cached_property
    def api_key(self) -> str:
        """The API key."""
        from cli.keys import resolve_key

        given = self.flags.get("api_key") or self.profile.get("api_key")
        if not given:
            raise ConfigurationError(NO_KEY)
        return resolve_key(given)

    @cached_property
    def client(self) -> "Client":
        """The API, with the key."""
        from cli.client import Client

        _ = self.config  # a broken file is reported even when flags say all that is needed
        return Client(self.server, self.api_key, log=self.log)

    @cached_property
    def open_client(self) -> "Client":
        """The API without a key, for the routes that are open to all."""
        from cli.client import Client

        _ = self.config
        return Client(self.server, None, log=self.log)

    @cached_property
    def whoami(self) -> Mapping[str, Any]:
        """What the server says of the key."""
        answer: Mapping[str, Any] = self.client.get("/v1/auth/whoami")
        return answer

    @cached_property
    def given_tenant(self) -> str | None:
        """The tenant of the flag, of the profile, or of the key; None when all are silent."""
        name = self.flags.get("tenant") or self.profile.get("tenant")
        return name or self.whoami.get("tenant_id")

    @property
    def tenant(self) -> str:
        """The tenant to work in."""
        return self.given_tenant or PUBLIC_TENANT

    def tenant_path(self, *parts: str) -> str:
        """Write the path of something of the tenant's; see `api_path`."""
        return api_path("tenants", self.tenant, *parts)

    def log(self, line: str) -> None:
        """Say something on stderr when `-v` is given."""
        if self.verbose:
            click.echo(line, err=True)


pass_state = click.make_pass_decorator(State, ensure=True)


def api_path(*parts: str) -> str:
    """Write a path of the API.

    Parameters:
        parts: its segments after `/v1`, as they are.

    Returns:
        The path, quoted.

    Raises:
        InvalidInput: a segment is one that a URL cannot carry as a name.
    """
    from urllib.parse import quote

    for part in parts:
        if part in {"", ".", ".."}:
            raise InvalidInput(f"{part!r} is no name")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def checked_url(url: str) -> str:
    """Check the URL of a server.

    Returns:
        It, without a slash at its end.

    Raises:
        ConfigurationError: it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"{url!r} is no URL of a server, such as http://127.0.0.1:8080")
    return url.rstrip("/")
