"""The peer: three Celery tasks that do nothing, set up as a careful user of Celery would."""

import os
from typing import Any

from celery import Celery

app = Celery("peer", broker=os.environ["PEER_BROKER"], backend=os.environ["PEER_RESULTS"])
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # as ours: a message is done when its task is, and comes again when its process dies
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # one key a queue in place of four: a third more throughput
    broker_transport_options={"priority_steps": [0]},
    # cost 40 % of the throughput, and ours are off too
    worker_send_task_events=False,
    task_send_sent_event=False,
    # Celery's own defaults, written down: four messages fetched ahead a slot
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)


@app.task
def first() -> dict[str, Any]:
    """Begin."""
    return {}


@app.task
def following(context: dict[str, Any]) -> dict[str, Any]:
    """Hand on what the task before gave."""
    return context
