"""The hints that a worker understands."""

import hmac
import logging
from typing import Any
from uuid import UUID

from cloacina import dispatch, logs
from cloacina.db import DATABASE_ERRORS, TenantLocked, first_line
from cloacina.errors import DatabaseUnavailable
from cloacina.lifecycle import upkeep
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import (
    TenantMigrating,
    TenantNotFound,
    TenantSchemaTooNew,
    TenantSuspended,
)
from cloacina.tenants.models import Tenant
from workers import process
from workers.app import app

log = logging.getLogger(__name__)


@app.task(name=dispatch.RUN, bind=True)
def run(task: Any, tenant_id: str, subject_id: str, signature: str) -> None:
    """Run a tenant's tasks for a time slice; without an execution, look after lost claims first."""
    _serve(task, tenant_id, subject_id, signature)


@app.task(name=dispatch.RESUME, bind=True)
def resume(task: Any, tenant_id: str, subject_id: str, signature: str) -> None:
    """Go on with a task that has waited at this worker."""
    _serve(task, tenant_id, subject_id, signature)


@app.task(name=dispatch.RECONCILE, bind=True)
def reconcile(task: Any, tenant_id: str, subject_id: str, signature: str) -> None:
    """Look after a tenant's packages."""
    _serve(task, tenant_id, subject_id, signature)


def _serve(task: Any, tenant_id: str, subject_id: str, signature: str) -> None:
    logs.request_id.set((task.request.headers or {}).get("x_request_id"))
    try:
        if not _is_genuine(task.name, tenant_id, subject_id, signature):
            log.warning("refused a hint with a wrong signature on %s", task.name)
            return
        _work(task.name, UUID(tenant_id), UUID(subject_id) if subject_id else None)
    except TenantNotFound:
        log.info("a hint for tenant %s, which is gone", tenant_id)
    except TenantLocked as error:
        log.warning("tenant %s: %s", tenant_id, error)
    except (TenantSuspended, TenantMigrating, TenantSchemaTooNew) as refusal:
        log.info("nothing starts: %s", refusal)
    except DatabaseUnavailable:
        log.warning("the database is away; the scheduler will send another hint")
    except DATABASE_ERRORS as error:
        log.error("tenant %s: the database refused: %s", tenant_id, first_line(error))


def _work(name: str, tenant_id: UUID, subject_id: UUID | None) -> None:
    slot = process.slot()
    if name == dispatch.RECONCILE:
        upkeep.reconcile(
            slot.database,
            slot.sandbox,
            slot.cache,
            _tenant(tenant_id),
            interval_s=slot.settings.reconcile_interval_s,
        )
    elif name == dispatch.RESUME:
        taken = slot.door.take(subject_id) if subject_id else None
        # None: another hint was quicker
        if taken is not None:
            slot.engine.resume(taken)
    else:
        if subject_id is None:
            upkeep.sweep(slot.database, slot.graphs, _tenant(tenant_id), slot.terms)
        slot.engine.run(tenant_id, subject_id)


def _tenant(tenant_id: UUID) -> Tenant:
    with process.slot().database.platform() as session:
        return tenants.find_open(session, tenant_id)


def _is_genuine(name: str, tenant_id: str, subject_id: str, signature: str) -> bool:
    key = process.slot().dispatcher.hint_key()
    expected = dispatch.sign(key, name, tenant_id, subject_id)
    # as bytes: a forged one may hold other characters than ASCII
    return hmac.compare_digest(expected.encode(), str(signature).encode(errors="replace"))
