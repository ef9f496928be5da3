"""Who may do what: one table of route -> level, enforced before a request's body is looked at."""

from contextvars import Token
from dataclasses import dataclass
from typing import Literal, cast

from flask import g, request

from cloacina.audit import services as audit
from cloacina.audit.services import Actor
from cloacina.db import AS_PLATFORM
from cloacina.errors import Forbidden, InvalidInput, Unauthorized
from cloacina.keys import services as keys
from cloacina.keys.models import ADMIN, READ, WRITE, Principal
from cloacina.tenants import limits
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantSuspended
from cloacina.tenants.models import SUSPENDED, Tenant
from cloacina.tenants.versions import check_tables
from web.state import state


class AdminRequired(Forbidden):
    """This needs a key of the whole platform, such as the bootstrap key."""

    code = "admin_required"


class TenantAccessDenied(Forbidden):
    """This key does not belong to that tenant."""

    code = "tenant_access_denied"


class InsufficientPermissions(Forbidden):
    """This key's role is too low."""

    code = "insufficient_permissions"


class Unclassified(Forbidden):
    """Nobody may use this route, because the server does not say who may."""

    code = "authz_unclassified"


@dataclass(frozen=True)
class Level:
    """Who may use a route.

    Parameters:
        scope: `public`: everyone; `any`: any valid key; `tenant`: a key of the path's tenant;
            `platform`: a key of the whole platform, which passes all other levels too.
        role: the least role of the key.
    """

    scope: Literal["public", "any", "tenant", "platform"]
    role: str = READ

    def __str__(self) -> str:
        """Say it for people."""
        return {
            "public": "open to all",
            "any": f"any key of role {self.role} or higher",
            "tenant": f"a key of the tenant, of role {self.role} or higher",
            "platform": "a key of the whole platform",
        }[self.scope]


_LONGEST_ADDRESS = 64

PUBLIC = Level("public")
PLATFORM = Level("platform")

LEVELS: dict[str, Level] = {
    "operational.health": PUBLIC,
    "operational.ready": PUBLIC,
    "operational.metrics": PUBLIC,
    "operational.openapi": PUBLIC,
    "operational.docs": PUBLIC,
    "keys.create_key": PLATFORM,
    "keys.list_keys": PLATFORM,
    "keys.revoke_key": PLATFORM,
    "keys.create_tenant_key": Level("tenant", ADMIN),
    "keys.list_tenant_keys": Level("tenant", ADMIN),
    "keys.revoke_tenant_key": Level("tenant", ADMIN),
    "session.whoami": Level("any", READ),
    "tenants.create_tenant": PLATFORM,
    "tenants.list_tenants": PLATFORM,
    "tenants.inspect_tenant": PLATFORM,
    "tenants.suspend_tenant": PLATFORM,
    "tenants.resume_tenant": PLATFORM,
    "tenants.migrate_tenant": PLATFORM,
    "tenants.remove_tenant": PLATFORM,
    "tenants.export_tenant": PLATFORM,
    "tenants.import_tenant": PLATFORM,
    "limits.get_limits": Level("tenant", READ),
    "limits.set_limits": PLATFORM,
    "limits.clear_limits": PLATFORM,
    "fleet.get_fleet": Level("tenant", READ),
    "fleet.provision_workers": Level("tenant", ADMIN),
    "fleet.deprovision_workers": Level("tenant", ADMIN),
    "workflows.upload_workflow": Level("tenant", WRITE),
    "workflows.list_workflows": Level("tenant", READ),
    "workflows.get_workflow": Level("tenant", READ),
    "workflows.get_workflow_source": Level("tenant", READ),
    "workflows.pause_workflow": Level("tenant", WRITE),
    "workflows.resume_workflow": Level("tenant", WRITE),
    "workflows.delete_workflow": Level("tenant", WRITE),
    "workflows.execute_workflow": Level("tenant", WRITE),
    "executions.list_executions": Level("tenant", READ),
    "executions.get_execution": Level("tenant", READ),
    "executions.get_execution_events": Level("tenant", READ),
    "executions.get_execution_tasks": Level("tenant", READ),
    "executions.get_execution_logs": Level("tenant", READ),
    "executions.cancel_execution": Level("tenant", WRITE),
    "executions.pause_execution": Level("tenant", WRITE),
    "executions.resume_execution": Level("tenant", WRITE),
    "executions.rerun_execution": Level("tenant", WRITE),
    "triggers.list_triggers": Level("tenant", READ),
    "triggers.get_trigger": Level("tenant", READ),
    "agents.list_agents": Level("any", ADMIN),
    "audit.list_audit": PLATFORM,
    "audit.list_tenant_audit": Level("tenant", ADMIN),
}
"""The level of each route, by its endpoint; a route that is not here is open to nobody."""

STARTS_NOTHING = frozenset(
    {
        "workflows.pause_workflow",
        "workflows.delete_workflow",
        "executions.cancel_execution",
        "executions.pause_execution",
    }
)
"""What a key of the whole platform may change at a suspended tenant."""


def principal() -> Principal:
    """Give whose key the present request presented."""
    return cast(Principal, g.principal)


def authorize() -> None:
    """Admit the present request or refuse it.

    Raises:
        Unauthorized, Forbidden: as the table says.
        RateLimited: the tenant whose key it is sends too many requests.
        TenantNotFound: a key of the whole platform asks after a tenant that does not exist.
    """
    g.actor_token = audit.actor.set(Actor(address=_address()))
    endpoint, rule = request.endpoint, request.url_rule
    if endpoint is None or rule is None:
        return  # the router refuses it
    if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
        return  # says which methods there are; a browser asks without a key
    level = LEVELS.get(endpoint)
    if level is None:
        raise Unclassified
    if level.scope == "public":
        return
    _admit(level, request.view_args or {})


def _admit(level: Level, view_args: dict[str, object]) -> None:
    name = g.tenant_name = str(view_args.pop("tenant_id", ""))
    calls = [keys.verify_call(_presented_key())]
    if name:
        calls.append(tenants.find_call(_without_nul(name)))
    with state().database.unit(AS_PLATFORM) as unit:
        presented, *found = unit.commit(*calls)
    caller, use_is_news = keys.verified(presented)
    g.principal = caller
    audit.actor.set(Actor(caller.key.id, caller.key.name, _address()))
    _hold_to_rate(caller)
    if use_is_news:
        _note_use(caller)
    _refuse_nul()
    if level.scope == "platform" and not caller.key.is_admin:
        raise AdminRequired
    if name:
        # from here on the tenant itself is handed on, never again its name
        tenant = _own_tenant(caller, name) or tenants.found(found[0], name)
        g.tenant = view_args["tenant"] = tenant
    if not caller.has_role(level.role):
        raise InsufficientPermissions(
            f"this needs the role '{level.role}', and the key has '{caller.key.role}'"
        )
    if level.scope == "tenant":
        _check_state(g.tenant, level, caller)


def _hold_to_rate(caller: Principal) -> None:
    """Refuse what a tenant sends beyond its requests a second; the platform's keys are free."""
    if caller.tenant is not None:
        allowed = limits.allowed(caller.tenant.limits, state().defaults)
        state().rates.check(caller.tenant.id, allowed.max_requests_per_s)


def _check_state(tenant: Tenant, level: Level, caller: Principal) -> None:
    """Refuse what cannot be done at the tenant now.

    A suspended one is closed to its own keys; the platform's keys may do what starts nothing there.
    """
    starts = level.role == WRITE and request.endpoint not in STARTS_NOTHING
    if tenant.status == SUSPENDED and (starts or not caller.key.is_admin):
        raise TenantSuspended(tenant.name)
    check_tables(tenant)


def _note_use(caller: Principal) -> None:
    """Note now and then that a key is used."""
    with state().database.unit(AS_PLATFORM) as unit:
        keys.note_use(unit, caller)


def _without_nul(name: str) -> str:
    """Make of a name what can be asked for; one with a NUL is refused once its caller is known."""
    return name.replace("\0", "")


def _own_tenant(caller: Principal, name: str) -> Tenant | None:
    """Give the tenant of a tenant's key, None for a key of the whole platform."""
    if caller.tenant is None:
        return None
    if caller.tenant.name != name:
        raise TenantAccessDenied
    return caller.tenant


def _address() -> str | None:
    """Give where the request comes from: an address, unless a proxy in front says nonsense."""
    return (request.remote_addr or "")[:_LONGEST_ADDRESS] or None


def forget(_error: BaseException | None) -> None:
    """Forget, at the end of a request, whose it was."""
    token: Token[Actor] | None = g.pop("actor_token", None)
    if token is not None:
        audit.actor.reset(token)


def presented_token() -> str:
    """Give what the request presents as `Authorization: Bearer …`; empty: nothing of the kind."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return ""
    try:
        # a WSGI server hands on a header's bytes as if they were Latin-1
        return token.strip().encode("latin-1").decode()
    except UnicodeError:
        return ""


def _presented_key() -> str:
    key = presented_token()
    if not key:
        raise Unauthorized
    return key


def _refuse_nul() -> None:
    """Refuse what no text of a database can hold."""
    if "\0" in request.path or any("\0" in value for value in request.args.values()):
        raise InvalidInput("the URL holds a NUL character")
