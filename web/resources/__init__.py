"""The resources of the API: one blueprint each, of views that only pass on."""

from web.blueprint import Blueprint
from web.resources import (
    agents,
    executions,
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
    workflows.blueprint,
    executions.blueprint,
    triggers.blueprint,
    agents.blueprint,
)
