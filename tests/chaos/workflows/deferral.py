"""A task that waits without holding a slot, and one after it."""

import time

import cloaca

from . import witness


@cloaca.task()
def waits(context, handle):
    """Wait for a moment."""
    body = witness.Body(context, "waits")
    until = time.time() + context["seconds"]
    handle.defer_until(lambda: time.time() >= until, poll_interval_ms=200)
    return body.end()


@cloaca.task(dependencies=["waits"])
def after(context):
    """Follow."""
    return witness.Body(context, "after").end()
