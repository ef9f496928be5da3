"""`server start` and `stop`, `worker`, `scheduler` and `admin`: the service itself."""

import logging
from dataclasses import asdict, replace
from typing import Any

import click

from cli.errors import MigrationStopped
from cli.options import Command, Group
from cli.output import show_done
from cli.state import State, pass_state
from cloacina import logs
from cloacina.errors import ConfigurationError
from cloacina.settings import Settings, load_settings

STOP_DEADLINE_S = 90.0

worker = Group("worker", help="Run a worker on this machine.")
scheduler = Group("scheduler", help="Run a scheduler on this machine.")
admin = Group("admin", help="Look after the database.")

_database_flag = click.option(
    "--database-url", metavar="URL", help="postgresql://… or sqlite:///path."
)
_broker_flag = click.option("--broker-url", metavar="URL", help="redis://… of a Valkey or Redis.")


def _settings(state: State, **flags: Any) -> Settings:
    settings = load_settings({"home": state.flags.get("home"), **flags})
    logs.configure("debug" if state.verbose else settings.log_level)
    return settings


def _with_database(settings: Settings, verb: str) -> Settings:
    """Have the URL of a database: the one that is given, else the embedded one's."""
    from cloacina.embedded import url_of_running

    url = settings.database_url or url_of_running(settings.home / "data")
    if not url:
        raise ConfigurationError(
            f"`admin {verb}` needs --database-url, CLOACINA_DATABASE_URL or database_url in"
            f" config.toml: {settings.home} has no embedded database"
        )
    return replace(settings, database_url=url)


@click.command("start", cls=Command)
@click.option("--bind", metavar="HOST:PORT", help="Address of the API [127.0.0.1:8080].")
@_database_flag
@_broker_flag
@click.option("--bootstrap-key", metavar="KEY", help="The first admin key [generated].")
@click.option("--workers", metavar="N", help="Worker processes; 0: the API alone [1].")
@click.option(
    "--reconcile-interval-s", metavar="N", help="Seconds between looks after packages [60]."
)
@click.option(
    "--tenant-deletion-drain-timeout-s",
    metavar="N",
    help="Seconds that a deleted tenant's running tasks get [30].",
)
@pass_state
def server_start(state: State, /, **flags: Any) -> None:
    """Run the server: API, workers and scheduler, until it is stopped.

    Without --database-url or --broker-url it brings its own PostgreSQL or Valkey along.
    """
    settings = _settings(state, **flags)
    from cli.server_parts import run_server

    run_server(settings)


@click.command("stop", cls=Command)
@click.option("--force", is_flag=True, help="Kill it, with all that it runs.")
@pass_state
def server_stop(state: State, force: bool) -> None:
    """Stop the server of the home folder, and wait for its end."""
    from cli.pid_file import stop_server

    pid = stop_server(state.home, force=force, deadline_s=STOP_DEADLINE_S)
    click.echo(f"server stopped (pid {pid})")


@worker.command("start")
@click.option(
    "--tenant", "tenants", multiple=True, metavar="NAME", help="Serve only this tenant; repeatable."
)
@click.option("--concurrency", metavar="N", help="Tasks that it runs at once [4].")
@_database_flag
@_broker_flag
@pass_state
def start_worker(state: State, /, tenants: tuple[str, ...], **flags: Any) -> None:
    """Run one worker until it is stopped."""
    settings = _settings(state, worker_tenants=tenants or None, **flags)
    from cli.server_parts import run_alone

    run_alone(settings, "worker")


@scheduler.command("start")
@_database_flag
@_broker_flag
@pass_state
def start_scheduler(state: State, /, **flags: Any) -> None:
    """Run one scheduler until it is stopped; several may run at once."""
    settings = _settings(state, **flags)
    from cli.server_parts import run_alone

    run_alone(settings, "scheduler")


@admin.command("migrate")
@_database_flag
@pass_state
def migrate(state: State, /, **flags: Any) -> None:
    """Bring the database to this version, and make the first admin key when there is none.

    Tenants are migrated one first, then several at once; after a failure no other is begun.
    Who runs it again goes on with those that are left.
    Without a database's URL it is the embedded one of the home folder, whose server runs.
    """
    settings = _with_database(_settings(state, **flags), "migrate")
    from cloacina.lifecycle.installation import prepare

    failure = prepare(settings).failure()
    if failure:
        raise MigrationStopped(failure)
    click.echo("the database is ready")


@admin.command("prepare", hidden=True)
@pass_state
def prepare_start(state: State) -> None:
    """Do the same for a server that starts: it serves the tenants that it can serve."""
    from cloacina.lifecycle.installation import prepare

    failure = prepare(_settings(state)).failure()
    if failure:
        logging.getLogger("supervisor").error("%s", failure)


@admin.command("rotate-db-password")
@click.argument("tenant")
@_database_flag
@pass_state
def rotate_db_password(state: State, /, tenant: str, **flags: Any) -> None:
    """Give a tenant's database role a new password, and print it this once.

    Logins with the old one are refused from then on, and sessions that are open are ended.
    Without a database's URL it is the embedded one of the home folder, whose server runs.
    """
    settings = _with_database(_settings(state, **flags), "rotate-db-password")
    from cloacina.db import Database
    from cloacina.lifecycle.installation import is_migrated
    from cloacina.lifecycle.passwords import rotate_password

    database = Database(settings.database_url, pool_size=1)
    try:
        if not is_migrated(database):
            raise ConfigurationError(
                "the database is not at this version; run `cloacinactl admin migrate` first"
            )
        login = rotate_password(database, tenant)
    finally:
        database.close()
    show_done(state, asdict(login), login.password)
