"""What the end of a task does to the tasks that wait for it.

The caller keeps a counter per task in its records: how many of its dependencies have not ended.
Per task that ends, in one transaction, it calls `settle`, writes what that returns, and is done:
the tasks that only skips stood in the way of are in the answer too. Nothing here looks at a task
that does not depend on what ended, so a fan-out of N costs N steps in all.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cloacina.dag.context import input_context
from cloacina.dag.graph import Graph
from cloacina.dag.rules import evaluate, reads_context, tasks_named
from cloacina.dag.states import TERMINAL_TASK_STATES, TaskState

Decision = Literal[TaskState.READY, TaskState.SKIPPED]


class Records(Protocol):
    """What `settle` asks about one execution: only what it needs, for many tasks at once.

    The answers are the state before the step that is being settled, except that the task that ended
    may already be written as such. For plain chains and fan-outs under the rule Always nothing at
    all is asked.
    """

    def remaining(self, ids: Collection[str], /) -> Mapping[str, int]:
        """Give, for each of these tasks, how many of its dependencies have not ended."""
        ...

    def outcomes(self, ids: Collection[str], /) -> Mapping[str, str]:
        """Give the states of these tasks; one that has not ended may be left out."""
        ...

    def outputs(self, ids: Collection[str], /) -> Mapping[str, Mapping[str, Any]]:
        """Give the output contexts of those of these tasks that Completed, the one that just ended
        included."""
        ...


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to write.

    Attributes:
        ready: ids of the tasks that may run now.
        skipped: ids of the tasks that never will, in the order in which that was decided.
        remaining: the new counter of each task that still waits and is nearer to its start. For a
            ready or skipped task the counter is 0.
    """

    ready: tuple[str, ...]
    skipped: tuple[str, ...]
    remaining: Mapping[str, int]


def decide(
    graph: Graph, task_id: str, outcomes: Mapping[str, str], merged_context: Mapping[str, Any]
) -> Decision:
    """Decide about a task whose dependencies have all ended; its rule is evaluated once, here.

    Parameters:
        graph: the workflow.
        task_id: the task.
        outcomes: the states of the tasks that its rule names, by id.
        merged_context: its input; needed only when its rule reads it.
    """
    holds = evaluate(graph.task(task_id).trigger_rules, outcomes, merged_context)
    return TaskState.READY if holds else TaskState.SKIPPED


def start(
    graph: Graph,
    initial: Mapping[str, Any],
    kept: Mapping[str, TaskState] | None = None,
    outputs: Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]] = lambda _: {},
) -> Settlement:
    """Decide about the roots of a new execution, and about what follows from ended ones.

    Parameters:
        graph: the workflow.
        initial: the execution's initial context.
        kept: how tasks have ended that are taken over, as `kept_tasks` gives them.
        outputs: gives the outputs of those of them that Completed; asked where a rule reads them.

    Returns:
        What to write; a task that is in none of its parts, nor kept, waits for those of its
        dependencies that are not kept.
    """
    ended = kept or {}
    cascade = _Cascade(graph, _TakenOver(graph, outputs), ended, initial)
    skipped = cascade.decide_all([name for name in graph.roots if name not in ended])
    return cascade.run([*ended, *skipped])


def kept_tasks(graph: Graph, ended: Mapping[str, TaskState]) -> dict[str, TaskState]:
    """Tell what a rerun from the failed tasks takes over: all that does not hang on one of them.

    Parameters:
        graph: the workflow.
        ended: the tasks that Completed, or that their rules skipped, with these states. What failed
            or never came to its turn is not in it.
    """
    kept: dict[str, TaskState] = {}
    for name in graph.topological_order:
        if name in ended and all(before in kept for before in graph.task(name).dependencies):
            kept[name] = ended[name]
    return kept


def settle(graph: Graph, ended: Mapping[str, str], records: Records) -> Settlement:
    """Tell what the end of a task changes.

    Parameters:
        graph: the workflow.
        ended: the state in which it ended, by its id; more than one may end at once.
        records: answers what is recorded of the execution, whose row the caller has locked.

    Raises:
        ValueError: a state is not terminal.
    """
    if not TERMINAL_TASK_STATES.issuperset(ended.values()):
        raise ValueError(f"not ended: {ended}")
    return _Cascade(graph, records, ended, {}).run(ended)


class _Cascade:
    """One settlement in the making: ended tasks make others skipped, which have ended too."""

    def __init__(
        self,
        graph: Graph,
        records: Records,
        ended: Mapping[str, str],
        initial: Mapping[str, Any],
    ) -> None:
        self._graph = graph
        self._records = records
        self._initial = initial
        self._outcomes = dict(ended)
        self._remaining: dict[str, int] = {}
        self._ready: list[str] = []
        self._skipped: list[str] = []

    def run(self, ended: Iterable[str]) -> Settlement:
        """Go on until no task ends any more."""
        wave = list(ended)
        while wave:
            wave = self.decide_all(self._satisfied_by(wave))
        return Settlement(
            ready=tuple(self._ready),
            skipped=tuple(self._skipped),
            remaining={name: count for name, count in self._remaining.items() if count},
        )

    def decide_all(self, task_ids: Collection[str]) -> list[str]:
        """Decide about tasks whose dependencies have ended, and give those that are skipped."""
        skipped: list[str] = []
        self._read_outcomes(task_ids)
        outputs = self._read_outputs(task_ids)
        for task_id in task_ids:
            task = self._graph.task(task_id)
            context = (
                input_context(task, outputs, self._initial)
                if reads_context(task.trigger_rules)
                else {}
            )
            decision = decide(self._graph, task_id, self._outcomes, context)
            (self._ready if decision is TaskState.READY else skipped).append(task_id)
        self._outcomes.update(dict.fromkeys(skipped, TaskState.SKIPPED))
        self._skipped += skipped
        return skipped

    def _satisfied_by(self, ended: Iterable[str]) -> list[str]:
        """Count down what waits for these tasks, and give what now waits for nothing."""
        arrivals = Counter(
            name
            for task_id in ended
            for name in self._graph.dependents(task_id)
            # what is taken over has been decided already
            if name not in self._outcomes
        )
        # A task with one dependency needs no counter: that one has just ended.
        counted = [name for name in arrivals if len(self._graph.task(name).dependencies) > 1]
        unread = [name for name in counted if name not in self._remaining]
        if unread:
            self._remaining.update(self._records.remaining(unread))
        for name in counted:
            self._remaining[name] -= arrivals[name]
        return [name for name in arrivals if not self._remaining.get(name)]

    def _read_outcomes(self, task_ids: Iterable[str]) -> None:
        named = {name for task_id in task_ids for name in tasks_named(self._rule(task_id))}
        unread = named - self._outcomes.keys()
        if unread:
            self._outcomes.update(self._records.outcomes(unread))

    def _read_outputs(self, task_ids: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        wanted = {
            name
            for task_id in task_ids
            if reads_context(self._rule(task_id))
            for name in self._graph.task(task_id).dependencies
        }
        return self._records.outputs(wanted) if wanted else {}

    def _rule(self, task_id: str) -> Mapping[str, Any]:
        return self._graph.task(task_id).trigger_rules


class _TakenOver:
    """The records of an execution that has not begun, but for what it takes over of another."""

    def __init__(
        self,
        graph: Graph,
        outputs: Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]],
    ) -> None:
        self._graph = graph
        self._outputs = outputs

    def remaining(self, ids: Collection[str], /) -> Mapping[str, int]:
        return {name: len(self._graph.task(name).dependencies) for name in ids}

    def outcomes(self, _ids: Collection[str], /) -> Mapping[str, str]:
        return {}

    def outputs(self, ids: Collection[str], /) -> Mapping[str, Mapping[str, Any]]:
        return self._outputs(ids)
