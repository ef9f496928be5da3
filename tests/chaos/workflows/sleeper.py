"""A task that takes longer than a lease, and one after it."""

import time

import cloaca

from . import witness


@cloaca.task()
def sleeps(context):
    """Take as long as the harness says."""
    body = witness.Body(context, "sleeps")
    ends = time.monotonic() + context["seconds"]
    while time.monotonic() < ends:
        time.sleep(0.2)
        body.beat()
    return body.end()


@cloaca.task(dependencies=["sleeps"])
def after(context):
    """Follow."""
    return witness.Body(context, "after").end()
