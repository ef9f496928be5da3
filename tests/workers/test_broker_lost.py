"""A broker that is killed under a worker, and comes back with nothing in it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from kombu.transport import redis as kombu_redis

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedValkey
from cloacina.lifecycle.tenants import create_tenant
from tests.workers.fleet import Engineer, fleet_at, wait_for
from tests.workers.modules import CHAIN, WAITS
from workers import transport


def test_a_worker_outlives_its_broker_while_tasks_run(
    database: Database, empty_database_url: str, data_root: Path, tmp_path: Path, tenant_name: str
) -> None:
    with EmbeddedValkey(data_root / "killed-valkey") as broker:
        with fleet_at(tmp_path / "home", empty_database_url, broker.url, concurrency=2) as fleet:
            worker = fleet.start("workers")
            fleet.start("workers.scheduler")
            dispatcher = Dispatcher(database, broker.url)
            engineer = Engineer(database, dispatcher, create_tenant(database, tenant_name))
            engineer.upload(tmp_path, "waits", WAITS)
            engineer.upload(tmp_path, "chain", CHAIN)
            for turn in range(4):
                folder = tmp_path / f"turn-{turn}"
                folder.mkdir()
                running = engineer.start("waits", {"folder": str(folder)})
                wait_for((folder / "begun").exists)
                with redis.Redis.from_url(broker.url) as direct:
                    # hints are taken for good: nothing waits for a receipt
                    assert not direct.exists("unacked", "unacked_index")
                kill(broker)
                if turn % 2:
                    # the task ends while the broker is away
                    (folder / "go").touch()
                    assert engineer.wait_for_end(running).status == "Completed"
                start_empty(broker)
                (folder / "go").touch()
                assert engineer.wait_for_end(running).status == "Completed"
                assert engineer.wait_for_end(engineer.start("chain", {})).status == "Completed"
                assert engineer.events(running).count("task_started") == 1
                assert worker.poll() is None
        assert [process.returncode for process in fleet.processes] == [0, 0]
        assert "Traceback" not in fleet.log_path.read_text()


def kill(broker: EmbeddedValkey) -> None:
    """Kill a broker."""
    assert broker.process is not None
    broker.process.send_signal(signal.SIGKILL)
    broker.process.wait()
    broker.stop()


def start_empty(broker: EmbeddedValkey) -> None:
    """Start a broker again, with nothing in it."""
    broker.start()
    with redis.Redis.from_url(broker.url) as direct:
        direct.flushall()


def test_a_worker_uses_the_transport_and_its_logs_name_the_urls_own_scheme() -> None:
    program = (
        "from workers.app import app; c = app.connection_for_read();"
        " print(type(c.transport).__module__, c.transport.driver_type, c.as_uri())"
    )
    environ = {"CLOACINA_BROKER_URL": "redis://:secret@127.0.0.1:1/0", "PATH": ""}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True
    )
    assert said.stdout == "workers.transport redis redis://:**@127.0.0.1:1/0\n"


@pytest.mark.parametrize("name", ["driver_type", "implements", "polling_interval", "default_port"])
def test_the_transport_is_celerys_own_in_all_else(name: str) -> None:
    assert getattr(transport.Transport, name) is getattr(kombu_redis.Transport, name)
    assert kombu_redis.Channel.do_restore
    assert not transport.Channel.do_restore
