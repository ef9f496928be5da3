"""What a run prints at its end."""

from collections import Counter
from collections.abc import Sequence

from tests.chaos.checks_ends import Violation, was_given_up
from tests.chaos.evidence import Evidence
from tests.chaos.recovery import line, longest_stall, recoveries

_MOST_SHOWN = 12


def figures(evidence: Evidence) -> list[str]:
    """Write the figures of a run."""
    lines = [f"executions: {len(evidence.accepted)} accepted, by workflow and outcome"]
    outcomes = Counter((e.workflow, e.status) for e in evidence.executions)
    lines += [f"  {name:12} {state:10} {n:5}" for (name, state), n in sorted(outcomes.items())]
    kinds = Counter(event.kind for event in evidence.events)
    lines.append(
        f"tasks: {len(evidence.tasks)}; started {kinds['task_started']} times, reset"
        f" {kinds['task_reset']}, retried {kinds['task_retry_scheduled']}, given up"
        f" {sum(map(was_given_up, evidence.tasks))}; bodies begun: {len(evidence.bodies)}"
    )
    lines.append("disturbances:")
    done = Counter(happening.kind for happening in evidence.happenings)
    lines += [f"  {kind:28} {n:3}" for kind, n in sorted(done.items())]
    lines.append(f"seconds to recover:           {'n':>3} {'p50':>8} {'max':>8}")
    lines += [f"  {line(kind, found)}" for kind, found in sorted(recoveries(evidence).items())]
    blocked = [sample.blocked for sample in evidence.samples if sample.blocked]
    lines.append(
        f"looks at the database: {len(evidence.samples)}; sessions that waited for a lock for more"
        f" than 1 s: in {len(blocked)} of them, {max(blocked, default=0)} at most"
    )
    lines.append(
        f"longest time without a start while a task was ready: {longest_stall(evidence):.1f} s"
    )
    return lines


def verdict(violations: Sequence[Violation]) -> list[str]:
    """Write what must not be, by check, the first of each in words."""
    if not violations:
        return ["no violations"]
    lines = [f"{len(violations)} VIOLATIONS"]
    by_check = Counter(violation.check for violation in violations)
    for check, count in by_check.most_common():
        lines.append(f"{check}: {count}")
        mine = [violation for violation in violations if violation.check == check]
        lines += [f"  {it.execution_id or '-'}  {it.text}" for it in mine[:_MOST_SHOWN]]
        if count > _MOST_SHOWN:
            lines.append(f"  and {count - _MOST_SHOWN} more")
    return lines
