"""What the audit log says of requests that failed: of changes, and of all that was refused.

A change that succeeds is recorded where it is made, in its transaction. One that fails leaves
nothing there, so it is recorded here, after its transaction has been rolled back.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import Flask, Response, current_app, g, request
from sqlalchemy.orm import Session

from cloacina.audit import services as audit
from cloacina.db import DATABASE_ERRORS, first_line
from cloacina.errors import CloacinaError, DatabaseUnavailable
from cloacina.keys.services import PREFIX
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from web.condense import Condenser
from web.state import state

log = logging.getLogger(__name__)

_EXTENSION = "cloacina-audit"

REFUSED = "access.refused"
"""The action of a request that was answered with 401 or 403."""

AWAY_S = 5.0
"""Seconds in which no refusal asks a database that was found away; a log line takes its place."""

_LONGEST = 200


@dataclass(frozen=True)
class Change:
    """What a route changes.

    Parameters:
        action: as the log names it, where it succeeds and where it fails.
        subject: the part of the path, or the field of the body, that says what is to be changed;
            it is noted where the change fails. Empty: the tenant says all.
    """

    action: str
    subject: str = ""


CHANGES: dict[str, Change] = {
    "keys.create_key": Change("key.create", "name"),
    "keys.revoke_key": Change("key.revoke", "key_id"),
    "keys.create_tenant_key": Change("key.create", "name"),
    "keys.revoke_tenant_key": Change("key.revoke", "key_id"),
    "tenants.create_tenant": Change("tenant.create", "name"),
    "tenants.migrate_tenant": Change("tenant.migrate", "schema_name"),
    "tenants.suspend_tenant": Change("tenant.suspend", "schema_name"),
    "tenants.resume_tenant": Change("tenant.resume", "schema_name"),
    "tenants.import_tenant": Change("tenant.import"),
    "tenants.remove_tenant": Change("tenant.delete", "schema_name"),
    "fleet.provision_workers": Change("fleet.provision"),
    "fleet.deprovision_workers": Change("fleet.deprovision"),
    "limits.set_limits": Change("limits.set"),
    "limits.clear_limits": Change("limits.clear"),
    "workflows.upload_workflow": Change("package.upload"),
    "workflows.delete_workflow": Change("package.delete", "name"),
    "workflows.pause_workflow": Change("workflow.pause", "name"),
    "workflows.resume_workflow": Change("workflow.resume", "name"),
}
"""The routes whose changes are in the audit log, by their endpoints."""

_RECORDED_ELSEWHERE = "an execution tells of itself in its events"

UNRECORDED: dict[str, str] = {
    "workflows.execute_workflow": _RECORDED_ELSEWHERE,
    "executions.cancel_execution": _RECORDED_ELSEWHERE,
    "executions.pause_execution": _RECORDED_ELSEWHERE,
    "executions.resume_execution": _RECORDED_ELSEWHERE,
    "executions.rerun_execution": _RECORDED_ELSEWHERE,
}
"""The other routes that change something, and why the audit log says nothing of what they do."""


def register(app: Flask) -> None:
    """Have the application record what it refuses."""
    app.extensions[_EXTENSION] = Condenser()
    app.after_request(_record_failure)


def _record_failure(response: Response) -> Response:
    code: str | None = g.get("error_code")
    if code is not None and request.endpoint is not None and code != DatabaseUnavailable.code:
        if response.status_code in (401, 403):
            _record(REFUSED, f"{request.method} {request.url_rule}", code)
        elif (change := CHANGES.get(request.endpoint)) is not None:
            _record(change.action, _subject(change.subject), code)
    return response


def _record(action: str, subject: str | None, code: str) -> None:
    """Write a line in a transaction of its own; the answer does not depend on it."""
    who = audit.actor.get()
    flood = cast(Condenser, current_app.extensions[_EXTENSION])
    passed_over = flood.admit((who.key_id or who.address, action, code), who.key_id is not None)
    if passed_over is None:
        return
    details: dict[str, Any] = {"passed_over": passed_over} if passed_over else {}
    try:
        if state().database.was_away_within(AWAY_S):
            raise DatabaseUnavailable
        with state().database.platform() as session:
            tenant, wanted = _concerned(session)
            if wanted:
                details["asked_for"] = wanted
            audit.record(session, action, tenant, subject=subject, outcome=code, **details)
    except (CloacinaError, *DATABASE_ERRORS) as error:
        log.warning(
            "not in the audit log, %s: %s of %s: %s, key %s, from %s",
            first_line(error),
            action,
            subject,
            code,
            who.key_id,
            who.address,
        )


def _concerned(session: Session) -> tuple[Tenant | None, str | None]:
    """Say whose log a line belongs into, and which other tenant was asked for.

    What a tenant's key does is in its own tenant's log, whatever it asks for: there nobody learns
    of other tenants' keys. A name is noted as it was given, so it does not tell who exists.
    """
    name = _tenant_asked_for()
    caller = g.get("principal")
    if caller is not None and caller.tenant is not None:
        return caller.tenant, name if name != caller.tenant.name else None
    tenant = tenants.find_named(session, name) if name else None
    return tenant, name if tenant is None else None


def _tenant_asked_for() -> str | None:
    arguments: Mapping[str, Any] = request.view_args or {}
    given = g.get("tenant_name") or arguments.get("tenant_id") or arguments.get("schema_name")
    # what has another form is no tenant's name, and may be a key in a wrong place
    return given if given and tenants.NAME.fullmatch(given) else None


def _subject(name: str) -> str | None:
    """Give what a change was to be made to, unless it may be a key in a wrong place."""
    given = (request.view_args or {}).get(name) or _sent().get(name)
    if not isinstance(given, str) or not given.isprintable() or given.startswith(PREFIX):
        return None
    if not name.endswith("_id"):
        return given[:_LONGEST]
    with suppress(ValueError):
        return str(UUID(given))
    return None


def _sent() -> Mapping[str, Any]:
    """Give the body's fields, if the view has read any."""
    sent = g.get("sent")
    return sent if isinstance(sent, dict) else {}
