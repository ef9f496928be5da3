"""The resources of the API: one blueprint each, of views that only pass on."""

from web.blueprint import Blueprint
from web.resources import (
    agents,
    audit,
    executions,
    fleet,
    keys,
    limits,
    operational,
    session,
    tenants,
    triggers,
    workflows,
)

BLUEPRINTS: tuple[Blueprint, ...] = (
    operational.blueprint,
    session.blueprint,
    keys.blueprint,
    tenants.blueprint,
    limits.blueprint,
    fleet.blueprint,
    workflows.blueprint,
    executions.blueprint,
    triggers.blueprint,
    agents.blueprint,
    audit.blueprint,
)
