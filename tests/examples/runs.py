"""Runs a package the way a worker does: packed, unpacked, in a child process."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloaca
from cloacina.dag.context import final_context, input_context
from cloacina.dag.graph import Graph
from cloacina.dag.rules import evaluate
from cloacina.packages.archive import inspect_archive, unpack_archive
from cloacina.packages.pack import pack
from cloacina.packages.source import validate_source

EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE_S = 30


class LoadedPackage:
    """A package, loaded in a child process of its own.

    Parameters:
        source: its source folder.
        folder: where to pack and unpack it.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.checked = validate_source(source)
        self.archive = pack(source, folder)
        self.inspected = inspect_archive(self.archive)
        unpacked = folder / "unpacked"
        manifest = unpack_archive(self.archive, unpacked).manifest

        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(DEADLINE_S)
        script = Path(cloaca.__file__).with_name("_child.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=folder,
                env={},
            )
        self.definition = self._ask(
            op="load",
            tenant="acme",
            package=manifest.name,
            workflow=manifest.workflow_name,
            entry_module=manifest.entry_module,
            paths=[str(unpacked / "vendor"), str(unpacked / "workflow")],
        )["definition"]
        self.graph = Graph.from_definition(self.definition)

    def run(self, **initial: Any) -> tuple[dict[str, Any], set[str]]:
        """Run all tasks in order; give the final context and the ids of the skipped ones."""
        outputs: dict[str, Mapping[str, Any]] = {}
        outcomes: dict[str, str] = {}
        for task_id in self.graph.topological_order:
            task = self.graph.task(task_id)
            context = input_context(task, outputs, initial)
            if not evaluate(task.trigger_rules, outcomes, context):
                outcomes[task_id] = "Skipped"
                continue
            answer = self._ask(op="run", task=task_id, context=json.dumps(context))
            outputs[task_id] = json.loads(answer["context"])
            outcomes[task_id] = "Completed"
        skipped = {task_id for task_id, state in outcomes.items() if state == "Skipped"}
        return final_context(self.graph, outputs, initial), skipped

    def close(self) -> None:
        self._socket.close()
        assert self._process.wait(DEADLINE_S) == 0

    def _ask(self, **request: Any) -> dict[str, Any]:
        body = json.dumps(request).encode()
        self._socket.sendall(len(body).to_bytes(4, "big") + body)
        answer = json.loads(self._receive(int.from_bytes(self._receive(4), "big")))
        if not answer["ok"]:
            raise RuntimeError(answer["error"]["message"])
        return answer

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._socket.recv(size - len(data)) or _closed()
        return data


def _closed() -> bytes:
    raise EOFError("the child ended")
