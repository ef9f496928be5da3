"""Installs a built wheel into a clean environment and looks whether it is whole: `make wheel`."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

CHECK_MIGRATIONS = """
from cloacina import schema
from cloacina.db import Database
from cloacina.lifecycle import installation
import sys
database = Database(f"sqlite:///{sys.argv[1]}")
installation.migrate(database)
assert installation.is_migrated(database)
print("migrations:", schema.head("platform"), schema.head("tenant"))
"""


def main(wheel: Path) -> None:
    """Install, ask for the version, migrate an empty database, make a package, run a server."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # an embedded PostgreSQL started by root runs as another user, who must pass through here
        root.chmod(0o711)
        environ = {"PATH": os.environ["PATH"], "HOME": folder}
        subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
        binaries = root / "venv" / "bin"
        pip = [binaries / "python", "-m", "pip", "install", "--quiet", wheel.absolute()]
        subprocess.run(pip, check=True)

        def run(*command: str | Path) -> str:
            result = subprocess.run(
                command, cwd=root, env=environ, check=True, capture_output=True, text=True
            )
            return result.stdout.strip()

        cloacinactl = binaries / "cloacinactl"
        print(run(cloacinactl, "--version"))
        print(run(binaries / "python", "-c", CHECK_MIGRATIONS, str(root / "smoke.db")))
        print(run(cloacinactl, "package", "new", "smoke"))
        print(run(cloacinactl, "package", "pack", "smoke"))
        start_and_stop(cloacinactl, environ)
    print("the wheel is whole")


def start_and_stop(cloacinactl: Path, environ: dict[str, str]) -> None:
    """Run a whole server until it says that it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    with subprocess.Popen(
        [cloacinactl, "server", "start", "--bind", bind],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        lines = []
        for line in server.stderr or ():
            lines.append(line)
            if f"ready: http://{bind}" in line:
                break
        else:
            sys.exit("the server ended before it was ready:\n" + "".join(lines))
        server.terminate()
        server.communicate()
    if server.returncode:
        sys.exit(f"the server ended with exit code {server.returncode}")
    print("server: started, ready, stopped")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
