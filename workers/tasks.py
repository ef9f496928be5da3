"""The two hints that a worker understands."""

import hmac
import logging
from typing import Any
from uuid import UUID

from sqlalchemy import exc

from cloacina import dispatch, logs
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle import upkeep
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantNotFound
from cloacina.tenants.models import Tenant
from workers import process
from workers.app import app

log = logging.getLogger(__name__)


@app.task(name=dispatch.RUN, bind=True)
def run(task: Any, tenant_id: str, execution_id: str, signature: str) -> None:
    """Run a tenant's tasks for a time slice; without an execution, look after lost claims first."""
    _serve(task, tenant_id, execution_id, signature)


@app.task(name=dispatch.RECONCILE, bind=True)
def reconcile(task: Any, tenant_id: str, execution_id: str, signature: str) -> None:
    """Look after a tenant's packages."""
    _serve(task, tenant_id, execution_id, signature)


def _serve(task: Any, tenant_id: str, execution_id: str, signature: str) -> None:
    logs.request_id.set((task.request.headers or {}).get("x_request_id"))
    slot = process.slot()
    try:
        if not _is_genuine(task.name, tenant_id, execution_id, signature):
            log.warning("refused a hint with a wrong signature on %s", task.name)
            return
        with slot.database.platform() as session:
            tenant = tenants.find_by_id(session, UUID(tenant_id))
        _work(task.name, tenant, UUID(execution_id) if execution_id else None)
    except TenantNotFound:
        log.info("a hint for tenant %s, which is gone", tenant_id)
    except DatabaseUnavailable:
        log.warning("the database is away; the scheduler will send another hint")
    except exc.DBAPIError as error:
        log.error("tenant %s: the database refused: %s", tenant_id, error.orig)


def _work(name: str, tenant: Tenant, execution_id: UUID | None) -> None:
    slot = process.slot()
    if name == dispatch.RECONCILE:
        upkeep.reconcile(
            slot.database,
            slot.sandbox,
            slot.cache,
            tenant,
            interval_s=slot.settings.reconcile_interval_s,
        )
        return
    if execution_id is None:
        upkeep.sweep(slot.database, slot.engine.graphs, tenant)
    slot.engine.run(tenant, execution_id)


def _is_genuine(name: str, tenant_id: str, execution_id: str, signature: str) -> bool:
    key = process.slot().dispatcher.hint_key()
    expected = dispatch.sign(key, name, tenant_id, execution_id)
    # as bytes: a forged one may hold other characters than ASCII
    return hmac.compare_digest(expected.encode(), str(signature).encode(errors="replace"))
