"""Runs a worker: `python -m workers`, with its settings in the environment."""

import warnings

from celery.exceptions import SecurityWarning

from workers.app import app, worker_settings
from workers.consumer import TenantQueues
from workers.process import WORKER_NAME


def main() -> None:
    """Run a worker until it is told to stop."""
    settings = worker_settings()
    # said to whoever runs as root; hints are JSON, and tenants' code is none of this process
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.steps["consumer"].add(TenantQueues)
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=prefork",
            f"--concurrency={settings.concurrency}",
            f"--hostname={WORKER_NAME}",
            # it begins with no queue of its own: the tenants' come with `TenantQueues`
            "--exclude-queues=celery",
            "--without-gossip",
            "--without-mingle",
        ]
    )


if __name__ == "__main__":
    main()
