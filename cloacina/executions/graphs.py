"""Graphs of built packages, kept in memory: a definition never changes once it is built."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.graph import Graph
from cloacina.db import Unit
from cloacina.executions.params import check_slots
from cloacina.packages import services as packages
from cloacina.packages.services import Package

_KEPT = 64


class GraphCache:
    """The packages that a process lately ran, by their ids, with their graphs; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[UUID, tuple[Package, Graph]] = OrderedDict()

    def entry(self, unit: Unit, package_id: UUID) -> tuple[Package, Graph]:
        """Give a built package and its graph.

        Parameters:
            unit: acts as the package's tenant.
            package_id: the package.
        """
        with self._lock:
            found = self._kept.get(package_id)
            if found is not None:
                self._kept.move_to_end(package_id)
                return found
        package = packages.fetch(unit, package_id)
        found = package, Graph.from_definition(package.definition or {})
        with self._lock:
            self._kept[package_id] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def checked_graph(definition: Mapping[str, Any]) -> Graph:
    """Read the graph of a definition, and refuse one that this server could not run.

    Parameters:
        definition: parsed JSON of any shape; it comes from a tenant's code, or from a file.

    Raises:
        InvalidWorkflow: says what is wrong with it.
    """
    graph = Graph.from_definition(definition)
    check_slots(definition.get("params"))
    if not isinstance(definition.get("description"), str | None):
        raise InvalidWorkflow("Workflow: its description must be a text")
    triggers = definition.get("triggers")
    if triggers:
        raise InvalidWorkflow(
            "this server does not run triggers and schedules yet: remove @cloaca.trigger"
            " and start the workflow by hand or through the API"
        )
    return graph
