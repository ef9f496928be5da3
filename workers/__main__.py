"""Runs a worker: `python -m workers`, with its settings in the environment."""

from workers.app import app, worker_settings
from workers.consumer import TenantQueues
from workers.process import WORKER_NAME


def main() -> None:
    """Run a worker until it is told to stop."""
    settings = worker_settings()
    app.steps["consumer"].add(TenantQueues)
    app.worker_main(
        [
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
