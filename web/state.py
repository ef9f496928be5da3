"""What the API of one process works with."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.errors import ConfigurationError
from cloacina.executions.graphs import GraphCache
from cloacina.settings import Settings
from cloacina.tenants import limits
from cloacina.tenants.limits import Allowed
from web.rate import RequestRates
from web.readiness import Readiness

_EXTENSION = "cloacina"


@dataclass(frozen=True)
class State:
    """The parts that requests share.

    Parameters:
        settings: of this process.
        database: its connections.
        dispatcher: its way to the broker.
        readiness: says whether requests can be served.
        graphs: of the packages that are executed.
        defaults: what a tenant may use that has no limits of its own.
        rates: holds tenants to their requests a second.
    """

    settings: Settings
    database: Database
    dispatcher: Dispatcher
    readiness: Readiness
    graphs: GraphCache
    defaults: Allowed
    rates: RequestRates


def state() -> State:
    """Give the state of the application that serves the present request."""
    return cast(State, current_app.extensions[_EXTENSION])


def refuse_incomplete(settings: Settings) -> None:
    """Raise ConfigurationError when the API cannot run with these settings."""
    # here an empty URL means no embedded server: the supervisor has filled it in by now
    for name, forms in (
        ("database_url", "postgresql://… or sqlite:///path"),
        ("broker_url", "redis://…"),
    ):
        if not getattr(settings, name):
            raise ConfigurationError(f"{name}: is missing; use {forms}")


def close(app: Flask) -> None:
    """Close an application's connections."""
    parts = cast(State, app.extensions[_EXTENSION])
    parts.database.close()
    parts.readiness.close()
    parts.rates.close()


def register(app: Flask, settings: Settings) -> None:
    """Make the parts; nothing connects yet, so that a server which is away stops nobody.

    Raises:
        ConfigurationError: a URL is missing or cannot be used.
    """
    refuse_incomplete(settings)
    database = Database(settings.database_url, settings.database_pool_size)
    dispatcher = Dispatcher(database, settings.broker_url)
    readiness = Readiness(Database(settings.database_url, pool_size=1), dispatcher)
    app.extensions[_EXTENSION] = State(
        settings,
        database,
        dispatcher,
        readiness,
        GraphCache(),
        limits.defaults(settings),
        RequestRates(settings.broker_url),
    )
