"""The application on a database of its own, and callers that present its keys."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from cloacina.db import Database
from cloacina.keys import services as keys
from cloacina.lifecycle.tenants import create_tenant
from cloacina.settings import Settings
from cloacina.tenants.models import Tenant
from tests.cloacina.executions.runs import Runs
from tests.web.conformance import hold_against_description
from tests.web.packages import archive, build, definition, upload
from web import create_app
from web.state import close


@dataclass(frozen=True)
class Caller:
    """A program that presents one key with each request; None: no key.

    Every answer that it gets is held against the API's description of itself.
    """

    app: Flask
    key: str | None = None

    def __call__(self, method: str, path: str, **request: Any) -> TestResponse:
        """Send a request; `headers` are sent beside the key."""
        headers = dict(request.pop("headers", {}))
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        response = self.app.test_client().open(path, method=method, headers=headers, **request)
        hold_against_description(self.app, method, path, response)
        return response

    def get(self, path: str, **request: Any) -> TestResponse:
        """Read something."""
        return self("GET", path, **request)

    def post(self, path: str, **request: Any) -> TestResponse:
        """Send something."""
        return self("POST", path, **request)

    def delete(self, path: str) -> TestResponse:
        """Delete something."""
        return self("DELETE", path)


@pytest.fixture(scope="module")
def settings(
    empty_database_url: str, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The settings of the application."""
    home: Path = tmp_path_factory.mktemp("home")
    # the tests of a module may well send more in a second than a tenant may by default
    return Settings(
        home=home,
        database_url=empty_database_url,
        broker_url=broker_url,
        tenant_requests_per_s=10_000,
    )


@pytest.fixture(scope="module")
def app(settings: Settings, database: Database) -> Iterator[Flask]:
    """The application, on the migrated database."""
    app = create_app(settings)
    yield app
    close(app)


@pytest.fixture
def anyone(app: Flask) -> Caller:
    """A caller without a key."""
    return Caller(app)


@pytest.fixture(scope="module")
def admin_key(database: Database) -> str:
    """A key of the whole platform."""
    return make_key(database, None, "admin")


@pytest.fixture
def admin(app: Flask, admin_key: str) -> Caller:
    """A caller with a key of the whole platform."""
    return Caller(app, admin_key)


@pytest.fixture(scope="module")
def acme(database: Database) -> Tenant:
    """A tenant."""
    return create_tenant(database, f"acme_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def globex(database: Database) -> Tenant:
    """Another tenant."""
    return create_tenant(database, f"globex_{uuid.uuid4().hex[:8]}")


@pytest.fixture
def reader(app: Flask, database: Database, acme: Tenant) -> Caller:
    """A caller with acme's read key."""
    return Caller(app, make_key(database, acme, "read"))


@pytest.fixture
def writer(app: Flask, database: Database, acme: Tenant) -> Caller:
    """A caller with acme's write key."""
    return Caller(app, make_key(database, acme, "write"))


@pytest.fixture
def manager(app: Flask, database: Database, acme: Tenant) -> Caller:
    """A caller with acme's admin key."""
    return Caller(app, make_key(database, acme, "admin"))


@pytest.fixture
def name(writer: Caller, acme: Tenant, database: Database, tmp_path: Path) -> str:
    """A package of acme's that can be executed."""
    name = f"etl-{uuid.uuid4().hex[:8]}"
    upload(writer, acme, archive(tmp_path, name))
    build(database, acme, definition())
    return name


@pytest.fixture
def runs(database: Database, acme: Tenant) -> Runs:
    """Runs acme's tasks by hand."""
    return Runs(database, acme)


def make_key(database: Database, tenant: Tenant | None, role: str, name: str = "test") -> str:
    """Make a key and give its text."""
    with database.platform() as session:
        return keys.issue(session, name, role, tenant).plaintext


def refusal(response: TestResponse) -> tuple[int, str]:
    """Give an error's status and code; it has the one shape that all errors have."""
    assert response.is_json
    assert response.json is not None
    assert set(response.json) == {"error", "code"}
    assert response.json["error"]
    assert response.headers["x-request-id"]
    return response.status_code, response.json["code"]
