"""A task that fails twice and then succeeds, and one after it."""

import cloaca

from . import witness

FAILURES = 2


@cloaca.task(
    retry_attempts=FAILURES + 1, retry_backoff="fixed", retry_delay_ms=400, retry_condition="all"
)
def stumbles(context):
    """Fail the first times."""
    body = witness.Body(context, "stumbles")
    if body.failures() < FAILURES:
        body.fail("not yet")
    return body.end()


@cloaca.task(dependencies=["stumbles"])
def after(context):
    """Follow."""
    return witness.Body(context, "after").end()
