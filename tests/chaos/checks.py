"""All checks of the chaos test: functions over plain data."""

from collections.abc import Callable, Iterator

from tests.chaos import checks_bodies, checks_ends
from tests.chaos.checks_ends import Violation
from tests.chaos.evidence import Evidence

CHECKS: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
    checks_ends.accepted_are_there_once,
    checks_ends.all_ended,
    checks_ends.fates_are_met,
    checks_ends.attempts_are_counted,
    checks_ends.events_are_whole,
    checks_ends.claims_follow_each_other,
    checks_bodies.bodies_overlap_little,
    checks_bodies.bodies_end_with_their_claims,
    checks_bodies.no_body_begins_after_success,
    checks_bodies.only_the_last_claims_result_is_stored,
    checks_bodies.losses_have_causes,
    checks_bodies.leases_fit_slots,
    checks_bodies.nothing_is_left,
    checks_bodies.nothing_else_went_wrong,
)


def violations(evidence: Evidence) -> list[Violation]:
    """Give all that must not be."""
    return [violation for check in CHECKS for violation in check(evidence)]
