"""Graphs of built packages, kept in memory: a definition never changes once it is built."""

from collections import OrderedDict
from uuid import UUID

from cloacina.dag.graph import Graph
from cloacina.db import Unit
from cloacina.packages import services as packages
from cloacina.packages.services import Package

_KEPT = 64


class GraphCache:
    """The packages that a process lately ran, by their ids, with their graphs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[Package, Graph]] = OrderedDict()

    def entry(self, unit: Unit, package_id: UUID) -> tuple[Package, Graph]:
        """Give a built package and its graph.

        Parameters:
            unit: acts as the package's tenant.
            package_id: the package.
        """
        if package_id not in self._kept:
            package = packages.fetch(unit, package_id)
            graph = Graph.from_definition(package.definition or {})
            self._kept[package_id] = (package, graph)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(package_id)
        return self._kept[package_id]
