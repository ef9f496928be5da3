"""Real child processes, and packages for them to load."""

import json
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import cloaca

DEADLINE_S = 30


def copy_sdk(folder):
    """Copy the SDK alone into a folder, as a server does for its children."""
    source = Path(cloaca.__file__).parent
    shutil.copytree(source, folder / "cloaca", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def write_modules(root, modules):
    """Write {dotted name: source} as modules under a folder; all but the last part are packages."""
    for name, source in modules.items():
        file = root.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for parent in file.parents:
            if parent == root:
                break
            (parent / "__init__.py").touch()
        file.write_text(textwrap.dedent(source))
    return root


class Child:
    """A child process with its socket; its output goes to files.

    The frames are written and read here by hand, so that the tests pin their form.
    """

    def __init__(self, sdk, folder):
        self.folder = folder
        self._out, self._err = folder / "stdout", folder / "stderr"
        self.socket, inherited = socket.socketpair()
        self.socket.settimeout(DEADLINE_S)
        script = str(sdk / "cloaca" / "_child.py")
        with inherited, self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", script, str(inherited.fileno())],
                pass_fds=[inherited.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={},
            )

    def request(self, message):
        self.send(json.dumps(message).encode())
        return self.receive()

    def send(self, body):
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def receive(self):
        size = int.from_bytes(self._read(4), "big")
        return json.loads(self._read(size))

    def _read(self, size):
        body = b""
        while len(body) < size:
            chunk = self.socket.recv(size - len(body))
            assert chunk, f"the child ended: {self.stderr}"
            body += chunk
        return body

    def load(self, *paths, entry_module="etl.tasks"):
        message = {"op": "load", "tenant": "acme", "package": "etl", "workflow": "nightly"}
        paths = [str(path) for path in paths]
        return self.request({**message, "entry_module": entry_module, "paths": paths})

    def run(self, task, context=None):
        text = context if isinstance(context, str) else json.dumps(context or {})
        answer = self.request({"op": "run", "task": task, "context": text})
        if answer["ok"] and answer["context"] is not None:
            return json.loads(answer["context"])
        return answer

    @property
    def stdout(self):
        return self._out.read_text()

    @property
    def stderr(self):
        return self._err.read_text()

    def wait(self):
        return self.process.wait(DEADLINE_S)

    def close(self):
        self.socket.close()
        try:
            self.wait()
        finally:
            self.process.kill()
            self.process.wait()
