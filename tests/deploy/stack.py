"""Runs the services of docker-compose.yml without Docker: same commands, same variables."""

import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from cloacina.embedded import EmbeddedPostgres, find_binaries
from cloacina.embedded.programs import find_valkey
from cloacina.processes import end, spawn, wait_until
from tests.deploy import compose, images
from tests.deploy.compose import ROOT, Service
from tests.ports import choose_several

DEADLINE_S = 40.0
PORTS = ("valkey", "api", "metrics", "flower", "proxy", "proxy_health")
CONFIGURATIONS = ("postgres-init.sql", "valkey.conf", "Caddyfile")
# what the images of others run when compose names no command
COMMANDS = {"caddy": ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]}
INIT_SCRIPT = "/docker-entrypoint-initdb.d/10-cloacina.sql"


class Stack:
    """Containers that are processes, and hosts that are ports of this machine.

    Parameters:
        folder: for everything that they write.
        postgres: the server that stands for the container whose image we do not have.
    """

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.folder = folder
        self.postgres = postgres
        self.database = f"compose_{uuid.uuid4().hex[:12]}"
        self.ports = dict(zip(PORTS, choose_several("127.0.0.1", len(PORTS)), strict=True))
        self.url = f"http://127.0.0.1:{self.ports['proxy']}"
        self.variables = make_passwords(folder) | {"CLOACINA_SITE": self.url}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in CONFIGURATIONS:
            text = (ROOT / "deploy" / name).read_text()
            (folder / name).write_text(self._here("", text))

    def run_init_script(self) -> subprocess.CompletedProcess[str]:
        """Run the script that makes role and database, as the image of PostgreSQL runs it."""
        service = self.service("postgres")
        admin = urlsplit(self.postgres.admin_url)
        environ = self._environment(service) | {
            "PGHOST": "127.0.0.1",
            "PGUSER": str(admin.username),
            "PGPASSWORD": str(admin.password),
            "PGDATABASE": "postgres",
        }
        options = ["-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "-f", INIT_SCRIPT]
        return self._run(service, ["psql", *options], environ)

    def service(self, name: str, **changes: str) -> Service:
        """Give a service; `changes` are variables that somebody has set in .env."""
        return compose.services(self.variables | changes)[name]

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service to its end."""
        service = self.service(name)
        return self._run(service, service.command, self._environment(service))

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's health check."""
        service = self.service(name)
        return self._run(service, service.health, self._environment(service))

    def start(self, name: str, **changes: str) -> None:
        """Start a service; `changes` are variables that somebody has set in .env."""
        service = self.service(name, **changes)
        with (self.folder / f"{name}.log").open("ab") as output:
            self.processes[name] = spawn(
                self._argv(service, service.command or COMMANDS[name]),
                death_signal=signal.SIGKILL,
                environ=self._environment(service),
                cwd=self.home(name),
                output=output.fileno(),
            )

    def wait_healthy(self, name: str) -> None:
        """Wait until the health check of a service passes."""
        healthy = wait_until(lambda: self.check(name).returncode == 0, DEADLINE_S, 0.1)
        assert healthy, f"{name}: {self.check(name).stderr}\n{self.log(name)}"

    def stop(self, name: str) -> int:
        """Stop a service as Docker does, and give its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(DEADLINE_S)

    def close(self) -> None:
        """Stop everything and drop the database."""
        for process in reversed(self.processes.values()):
            end(process, ((signal.SIGTERM, DEADLINE_S),))
        self.postgres.drop_database(self.database)

    def log(self, name: str) -> str:
        """Give what a service has written so far."""
        return (self.folder / f"{name}.log").read_text()

    def home(self, name: str) -> Path:
        """Give the folder that stands for what a service has mounted at its home."""
        home = self.folder / "homes" / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home

    def _run(
        self, service: Service, words: list[str], environ: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(service, words),
            check=False,
            env=environ,
            cwd=self.home(service.name),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    def _argv(self, service: Service, words: list[str]) -> list[str]:
        return ["/usr/bin/env", *(self._here(service.name, word) for word in words)]

    def _environment(self, service: Service) -> dict[str, str]:
        image = images.environment("service") if "cloacina:" in service.options["image"] else {}
        pairs = (image | service.environment).items()
        programs = (Path(sys.executable), find_binaries().path, find_valkey().path)
        folders = [str(program.parent) for program in programs]
        return {
            **{name: self._here(service.name, value) for name, value in pairs},
            "PATH": os.pathsep.join([*folders, os.defpath]),
            # of the programs of PostgreSQL
            "PGPORT": str(self.postgres.port),
        }

    def _here(self, service: str, text: str) -> str:
        """Put what is here in the place of what is there in a container."""
        host = "127.0.0.1"
        api, metrics, flower = (f"{host}:{self.ports[n]}" for n in ("api", "metrics", "flower"))
        whole = {"5555": str(self.ports["flower"]), "0.0.0.0": host}  # noqa: S104  # to be replaced
        parts = {
            "/opt/cloacina/deploy": str(ROOT / "deploy"),
            "/var/lib/cloacina": str(self.home(service)),
            "/etc/valkey.conf": str(self.folder / "valkey.conf"),
            "/etc/caddy/Caddyfile": str(self.folder / "Caddyfile"),
            INIT_SCRIPT: str(self.folder / "postgres-init.sql"),
            "//cloacina:": f"//{self.database}:",
            "=cloacina": f"={self.database}",
            " cloacina": f" {self.database}",
            "postgres:5432/cloacina": f"{host}:{self.postgres.port}/{self.database}",
            "valkey:6379": f"{host}:{self.ports['valkey']}",
            "0.0.0.0:8080": api,
            "127.0.0.1:8080": api,
            "web:8080": api,
            "0.0.0.0:9090": metrics,
            "web:9090": metrics,
            "127.0.0.1:5555": flower,
            "flower:5555": flower,
            "127.0.0.1:8081": f"{host}:{self.ports['proxy_health']}",
            "bind * -::*": f"bind {host}",
            "port 6379": f"port {self.ports['valkey']}",
            "dir /data": f"dir {self.folder}",
        }
        pattern = "|".join(re.escape(there) for there in parts)
        return whole.get(text) or re.sub(pattern, lambda found: parts[found[0]], text)


def make_passwords(folder: Path) -> dict[str, str]:
    """Make passwords as the first line of docker-compose.yml says, and give them."""
    file = folder / ".env"
    subprocess.run([ROOT / "deploy" / "new-env.sh", file], check=True, capture_output=True)
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))
