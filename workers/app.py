"""The Celery application: `celery -A workers.app …`."""

from functools import cache
from typing import Any

from celery import Celery

from cloacina.dispatch import BROKER_OPTIONS
from cloacina.settings import Settings, load_settings
from workers import transport


@cache
def worker_settings() -> Settings:
    """Give the settings of this process, read once."""
    return load_settings()


def _configuration() -> dict[str, Any]:
    return {
        **BROKER_OPTIONS,
        "broker_url": worker_settings().broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # a hint that dies with its slot comes again; the claim in the table decides what it finds
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 30,
        "worker_send_task_events": worker_settings().task_events,
        "task_send_sent_event": False,
        "control_queue_expires": 60,
        "worker_hijack_root_logger": False,
        "include": ["workers.tasks"],
    }


transport.register()
app = Celery("cloacina")
app.add_defaults(_configuration)
