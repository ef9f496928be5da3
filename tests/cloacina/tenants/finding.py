"""Finds in the code every public function that takes a transaction."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from sqlalchemy.orm import Session

import cloacina
from cloacina.db import Call, Unit

# they gather what is to be written, and ask for nothing before `calls` gives it
COLLECTORS = ("executions.transition.Transition",)

# they switch to the platform or the owner by themselves, are the platform's among the tenants', or
# say what a unit began with
SWITCHING = (
    "tenants.services.wake_calls",
    "tenants.services.entered",
    "tenants.services.is_active",
    "lifecycle.rights.ensure_rights",
    "lifecycle.tenants.add_tenant",
    "lifecycle.tenants.Filling",
    "lifecycle.changes.record",
)


def found(features: tuple[str, ...]) -> set[str]:
    """Give the public functions of features that take a transaction or give what runs in one."""
    names = {name for feature in features for name in _of_feature(feature)}
    return {name for name in names if not name.startswith(SWITCHING)}


def takes_unit(name: str) -> bool:
    """Say whether a function of the tables works in a unit; else it does in a session."""
    feature, module, *rest = name.split(".")
    place: Any = import_module(f"cloacina.{feature}.{module}")
    function = getattr(place, rest[0])
    for part in rest[1:]:
        function = getattr(function, part)
    return not _has(function, Session)


def features_with_tables() -> set[str]:
    """Give the features that have tables."""
    return {path.parent.name for path in Path(cloacina.__file__).parent.glob("*/models.py")} - {
        "db"
    }


def _of_feature(feature: str) -> Iterator[str]:
    found = import_module(f"cloacina.{feature}")
    if not hasattr(found, "__path__"):
        yield from _of_module(found)
        return
    for module in pkgutil.iter_modules(found.__path__, f"{found.__name__}."):
        yield from _of_module(import_module(module.name))


def _of_module(module: ModuleType) -> Iterator[str]:
    prefix = module.__name__.removeprefix("cloacina.")
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(member) and _is_of_a_transaction(member):
            yield f"{prefix}.{name}"
        elif inspect.isclass(member):
            yield from _of_class(f"{prefix}.{name}", member)


def _of_class(name: str, member: type) -> Iterator[str]:
    holds_one = name not in COLLECTORS and (
        _has(member.__init__, Session) or _has(member.__init__, Unit)
    )
    for method_name, method in vars(member).items():
        is_public = inspect.isfunction(method) and not method_name.startswith("_")
        if is_public and (holds_one or _is_of_a_transaction(method)):
            yield f"{name}.{method_name}"


def _is_of_a_transaction(function: Any) -> bool:
    if _has(function, Session) or _has(function, Unit):
        return True
    return get_type_hints(function).get("return") in (Call, list[Call])


def _has(function: Any, kind: type) -> bool:
    hints = get_type_hints(function)
    hints.pop("return", None)
    return kind in hints.values()
