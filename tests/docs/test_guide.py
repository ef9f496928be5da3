"""The guide is followed from its first command to its last."""

from pathlib import Path

from sqlalchemy import make_url

from cloacina.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.docs.conftest import GUIDE
from tests.docs.runner import Runner
from tests.ports import choose_several

ELSEWHERE = {
    "pip install .": "tests/smoke_wheel.py installs into an environment of its own",
    "docker compose up --detach --build": "tests/deploy checks the file; no Docker is asked for",
    "docker compose up --detach --scale worker=4": "likewise",
    "docker compose run --rm migrate cat /var/lib/cloacina/bootstrap-key": "likewise",
}


def test_the_guide_does_what_it_shows(
    home: Path, clone: Path, data_root: Path, valkey: EmbeddedValkey
) -> None:
    # roles are the whole cluster's, and the guide's have plain names: it gets a cluster of its own
    with EmbeddedPostgres(data_root / "guide") as postgres:
        database = f"127.0.0.1:{postgres.port}"
        service = "postgresql://cloacina_svc:choose-a-password"
        port, flower_port = choose_several("127.0.0.1", 2)
        runner = Runner(
            home,
            clone,
            places={
                # these ports may be taken here
                "127.0.0.1:8080": f"127.0.0.1:{port}",
                "--port=5555": f"--port={flower_port}",
                "127.0.0.1:5555": f"127.0.0.1:{flower_port}",
                # nobody can be asked for a database and a broker here
                "db.example.com:5432": database,
                "redis://:broker-password@broker.example.com:6379/0": valkey.url,
            },
            databases={
                "administrator": postgres.admin_url,
                "administrator-in-cloacina_prod": make_url(postgres.admin_url)
                .set(database="cloacina_prod")
                .render_as_string(hide_password=False),
                "service": f"{service}@{database}/cloacina_prod",
                "sqlite": f"sqlite:///{home}/single/cloacina.db",
            },
            elsewhere=ELSEWHERE,
        )
        with runner:
            runner.follow(GUIDE)
