"""Installs a built wheel into a clean environment and looks whether it is whole: `make wheel`."""

import os
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
    """Install, ask for the version, migrate an empty database, and make a package."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
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
    print("the wheel is whole")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
