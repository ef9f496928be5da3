"""A task that never returns, with a time limit."""

import time

import cloaca

from . import witness

ATTEMPTS = 2
TIMEOUT_S = 2


@cloaca.task(
    retry_attempts=ATTEMPTS,
    retry_backoff="fixed",
    retry_delay_ms=300,
    retry_condition="all",
    timeout_s=TIMEOUT_S,
)
def hangs(context):
    """Never return."""
    body = witness.Body(context, "hangs")
    while True:
        time.sleep(0.2)
        body.beat()
