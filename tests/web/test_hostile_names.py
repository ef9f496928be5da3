"""Whatever callers write where a name, a filter or a key belongs: it is a value, never SQL."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from cloacina.db import Database
from cloacina.db.models import TenantBase
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants.models import Tenant
from tests.web.conftest import Caller, make_key, refusal
from tests.web.packages import archive, build, definition, upload

HOSTILE = (
    "'; DROP TABLE packages; --",
    "x' OR '1'='1",
    "'||(SELECT string_agg(name, ',') FROM public.tenants)||'",
    'a"; SET ROLE "globex"; --',
    "$$; RESET ROLE; $$",
    "1; SELECT pg_sleep(20)",
    "%",
    "_",
    "\\",
    "\\'",
    ":name {now} %s $1",
    "GLOBEX.packages",
    "../../globex",
    "\u02bc OR 1=1",
    "\x00",
    "a" * 3000,
)
# the same in few requests, for each route that there is
SWEPT = (" ".join(HOSTILE[:-2]), "' OR '1'='1", "\x00", "a" * 3000)
FILTERS = ("status", "workflow", "task", "since", "after", "limit", "offset", "filter", "name")


@pytest.fixture(scope="module")
def secret(
    app: Flask, database: Database, globex: Tenant, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a workflow of globex's, which has run."""
    name = f"secret-{uuid.uuid4().hex[:8]}"
    caller = Caller(app, make_key(database, globex, "write"))
    upload(caller, globex, archive(tmp_path_factory.mktemp("archive"), name))
    build(database, globex, definition())
    path = f"/v1/tenants/{globex.name}/workflows/{name}/execute"
    assert caller.post(path, json={"context": {}}).status_code == 202
    return name


@pytest.fixture
def swept(database: Database) -> Tenant:
    """A tenant to which anything may happen."""
    return create_tenant(database, f"swept_{uuid.uuid4().hex[:8]}")


def contents(database: Database, tenant: Tenant) -> dict[str, list[object]]:
    """Give all that a tenant has."""
    with database.tenant(tenant) as session:
        return {
            name: [tuple(row) for row in session.execute(select(table).order_by(*table.c))]
            for name, table in TenantBase.metadata.tables.items()
        }


def routes(app: Flask) -> Iterator[tuple[str, Rule]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule


def path_of(rule: Rule, tenant: Tenant, text: str, *, also_the_tenant: bool) -> str:
    """Put a text in place of each part of a route that is a caller's to choose."""
    path = rule.rule
    for argument in rule.arguments:
        own = argument == "tenant_id" and not also_the_tenant
        value = tenant.name if own else text
        for written in (f"<{argument}>", f"<path:{argument}>", f"<uuid:{argument}>"):
            path = path.replace(written, quote(value, safe=""))
    return path


@pytest.mark.parametrize("who", ["tenant", "platform"])
@pytest.mark.parametrize("text", SWEPT, ids=["all", "quote", "nul", "long"])
def test_no_route_takes_a_text_for_more_than_a_text(  # what it looks at
    app: Flask,
    database: Database,
    swept: Tenant,
    globex: Tenant,
    secret: str,
    who: str,
    text: str,
) -> None:
    key = make_key(database, swept if who == "tenant" else None, "admin")
    headers = {"Authorization": f"Bearer {key}"}
    if "\x00" not in text:
        headers["Idempotency-Key"] = text[:200].encode("ascii", "replace").decode()
    before = contents(database, globex)
    client = app.test_client()
    for method, rule in routes(app):
        for also_the_tenant in (False, True):
            answer = client.open(
                path_of(rule, swept, text, also_the_tenant=also_the_tenant),
                method=method,
                headers=headers,
                query_string=dict.fromkeys(FILTERS, text) if method == "GET" else {},
                json={"context": {text: text}, "name": text, "role": text} | {"password": text}
                if method in ("POST", "PUT", "PATCH")
                else None,
            )
            assert answer.status_code < 500, (method, rule.rule)
            if who == "tenant":
                assert secret not in answer.text
                assert globex.name not in answer.text.replace(text, "")
    assert contents(database, globex) == before


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text][:-1])
def test_a_filter_matches_what_is_named_so_and_nothing_else(
    reader: Caller, acme: Tenant, text: str
) -> None:
    path = f"/v1/tenants/{acme.name}/executions?workflow={quote(text, safe='')}"
    assert reader.get(path).json["items"] == []


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "_"])
def test_no_tenant_can_be_called_so(admin: Caller, text: str) -> None:
    answer = admin.post("/v1/tenants", json={"name": text})
    assert refusal(answer)[0] in (400, 422)


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text][:-1])
def test_a_key_and_an_idempotency_key_are_kept_as_they_were_written(
    manager: Caller, writer: Caller, acme: Tenant, database: Database, tmp_path: Path, text: str
) -> None:
    made = manager.post(f"/v1/tenants/{acme.name}/keys", json={"name": text, "role": "read"})
    assert made.status_code == 201, made.text
    listed = manager.get(f"/v1/tenants/{acme.name}/keys").json["items"]
    assert text in [key["name"] for key in listed]
    name = f"etl-{uuid.uuid4().hex[:8]}"
    upload(writer, acme, archive(tmp_path, name))
    build(database, acme, definition())
    context = {text: json.dumps({text: text})}
    if not text.isascii():
        return
    first, again = (
        writer.post(
            f"/v1/tenants/{acme.name}/workflows/{name}/execute",
            json={"context": context},
            headers={"Idempotency-Key": text},
        )
        for _ in range(2)
    )
    assert first.json["execution_id"] == again.json["execution_id"]
    path = f"/v1/tenants/{acme.name}/executions/{first.json['execution_id']}"
    assert writer.get(path).json["context"] == context
