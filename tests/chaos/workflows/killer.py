"""A task that kills the worker that runs it, each time."""

import os
import signal
import time

import cloaca

from . import witness


@cloaca.task(retry_attempts=1)
def kills(context):
    """Kill the process group of this body's own worker, and of nothing else."""
    body = witness.Body(context, "kills")
    time.sleep(0.2)
    # looked up again just before: only what the harness lists, was born when it says, is above this
    # process and leads its own group
    worker = witness.worker_of(os.getpid(), context["workers"])
    if worker <= 1 or os.getpgid(worker) != worker or worker == os.getpgrp():
        raise RuntimeError("refused: there is no worker of the harness above this process")
    body.strike()
    os.killpg(worker, signal.SIGKILL)
    time.sleep(60)
