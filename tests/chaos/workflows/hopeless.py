"""A task that always fails, and one after it, which runs all the same."""

import cloaca

from . import witness

ATTEMPTS = 3


@cloaca.task(
    retry_attempts=ATTEMPTS, retry_backoff="fixed", retry_delay_ms=300, retry_condition="all"
)
def fails(context):
    """Fail each time."""
    witness.Body(context, "fails").fail("never")


@cloaca.task(dependencies=["fails"])
def after(context):
    """Follow; what failed hands nothing on, so there is nothing to write with."""
    return context
