"""`make demo`: a whole server, two tenants, a package each, and proof that they are apart.

Everything is done with the same commands that a user types; they are shown as they run.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

EXAMPLES = Path(__file__).parent
CLOACINACTL = Path(sys.executable).with_name("cloacinactl")
WORKFLOWS = {"acme": ("acme-etl", "nightly-etl"), "globex": ("globex-billing", "billing-run")}
RESULTS = {"acme": ("report", "top_customers"), "globex": ("total_gross", "status")}
START_DEADLINE_S = 60
STOP_DEADLINE_S = 30


class Demo:
    """The demonstration, in a home folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        # nothing of the user's own configuration may reach the demonstration
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CLOACINA_")}
        self.environ = {**kept, "CLOACINA_HOME": str(home)}

    def run(self) -> None:
        """Show everything, in the order in which a new user meets it."""
        headline("A server with its own PostgreSQL and Valkey, in a temporary home")
        with self.server():
            headline("Two tenants, with a write key each")
            for tenant in WORKFLOWS:
                self.make_tenant(tenant)
            headline("Each packs, uploads and runs a package of its own")
            ids = {tenant: self.run_workflow(tenant) for tenant in WORKFLOWS}
            headline("Each execution lies in its tenant's schema, and nowhere else")
            self.show_schemas(ids)
            headline("Each key is refused by the other tenant")
            self.show_refusals()
            headline("Stopping")
        print("\nDone. The README says how to run a server of your own.")

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """Run a server for the length of the block; it leaves nothing behind."""
        bind = self.url.removeprefix("http://")
        log_path = self.home / "server.log"
        print(f"$ cloacinactl server start --bind {bind}")
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [CLOACINACTL, "server", "start", "--bind", bind], env=self.environ, stderr=log
            )
        started = time.monotonic()
        try:
            follow_log_until(log_path, "ready: ", process)
            print(f"  ready after {time.monotonic() - started:.1f} s")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_DEADLINE_S)
            print(f"  server stopped (exit code {code})")

    def make_tenant(self, tenant: str) -> None:
        """Create a tenant, a key for it, and a profile that holds both."""
        admin = ("--server", self.url, "--api-key", f"file:{self.home / 'bootstrap-key'}")
        self.cloacinactl("tenant", "create", tenant, *admin)
        key = self.cloacinactl(
            *("key", "create", f"{tenant}-ci", "--role", "write", "--tenant", tenant, "--json"),
            *admin,
            show_output=False,
        )
        key_file = self.home / f"{tenant}.key"
        key_file.touch(mode=0o600)
        key_file.write_text(str(json_field(key, "key")) + "\n")
        self.cloacinactl(
            *("config", "profile", "set", tenant, self.url, "--api-key", f"file:{key_file}")
        )

    def run_workflow(self, tenant: str) -> str:
        """Pack, upload and run a tenant's package, and print what came of it."""
        folder, workflow = WORKFLOWS[tenant]
        archive = self.home / f"{folder}.cloacina"
        self.cloacinactl("package", "pack", str(EXAMPLES / folder), "--out", str(archive))
        self.cloacinactl("--profile", tenant, "package", "upload", str(archive), "--wait")
        started = self.cloacinactl("--profile", tenant, "workflow", "run", workflow)
        execution_id = started.strip()
        self.cloacinactl("--profile", tenant, "execution", "events", execution_id, "--follow")
        self.cloacinactl("--profile", tenant, "execution", "tasks", execution_id)
        status = self.cloacinactl(
            *("--profile", tenant, "execution", "status", execution_id, "--json"),
            show_output=False,
        )
        if json_field(status, "status") != "Completed":
            sys.exit(f"the execution has not completed: {status}")
        context = json.loads(status)["context"]
        for name in RESULTS[tenant]:
            print(f"  {name} = {json.dumps(context[name])}")
        return execution_id

    def show_schemas(self, ids: dict[str, str]) -> None:
        """Look for every execution in every schema, as the database's superuser."""
        folder = self.home / "data" / "postgres"
        port = (folder / "port").read_text().strip()
        password = (folder / "admin-password").read_text().strip()
        with psycopg.connect(
            host="127.0.0.1", port=port, user="cloacina_admin", password=password, dbname="cloacina"
        ) as connection:
            for tenant, execution_id in ids.items():
                for schema in (*WORKFLOWS, "tenant_public"):
                    found = rows_of(connection, schema, execution_id)
                    print(f"  {tenant}'s {execution_id} in schema {schema:14} {found} row(s)")
                    if (found == 1) != (schema == tenant):
                        sys.exit(f"the execution of {tenant} is not where it belongs")

    def show_refusals(self) -> None:
        """Have each tenant's key ask for the other's workflows."""
        for mine, other in (("acme", "globex"), ("globex", "acme")):
            self.cloacinactl(
                "--profile", mine, "--tenant", other, "workflow", "list", expected_exit=4
            )

    def cloacinactl(self, *words: str, show_output: bool = True, expected_exit: int = 0) -> str:
        """Show a command, run it, show its output, and give it."""
        print("$ cloacinactl", " ".join(words), flush=True)
        with subprocess.Popen(
            [CLOACINACTL, *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if show_output:
                    print("  " + line, end="", flush=True)
        if process.returncode != expected_exit:
            sys.exit(f"that ended with exit code {process.returncode}, not {expected_exit}")
        return "".join(lines)


def rows_of(connection: psycopg.Connection, schema: str, execution_id: str) -> int:
    """Count an execution's rows in one schema."""
    query = psycopg.sql.SQL("SELECT count(*) FROM {}.workflow_executions WHERE id = %s")
    row = connection.execute(
        query.format(psycopg.sql.Identifier(schema)), (execution_id,)
    ).fetchone()
    return row[0] if row else 0


def json_field(text: str, name: str) -> object:
    """Give one field of a JSON object."""
    return json.loads(text)[name]


def follow_log_until(path: Path, mark: str, process: subprocess.Popen[bytes]) -> None:
    """Print a log as it grows, until a line holds `mark`."""
    deadline = time.monotonic() + START_DEADLINE_S
    with path.open() as log:
        while time.monotonic() < deadline:
            line = log.readline()
            if line:
                print("  " + line, end="", flush=True)
                if mark in line:
                    return
            elif process.poll() is not None:
                sys.exit(f"the server ended with exit code {process.returncode}")
            else:
                time.sleep(0.05)
    sys.exit(f"the server was not ready after {START_DEADLINE_S} s")


def headline(text: str) -> None:
    """Print what comes next."""
    print(f"\n== {text}\n", flush=True)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cloacina-demo-") as folder:
        # an embedded PostgreSQL started by root runs as another user, who must pass through here
        Path(folder).chmod(0o711)
        Demo(Path(folder)).run()
