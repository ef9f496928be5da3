"""Does what a document says, in order, with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self
from uuid import uuid4

import pytest
import sqlalchemy

from cloacina.processes import wait_until
from tests.docs.blocks import (
    CONSOLE,
    FILES,
    ONLY_SHOWN,
    SQL,
    Block,
    Command,
    read_blocks,
    read_commands,
)

DEADLINE_S = 60.0
INTERVAL_S = 0.02


class Runner:
    """A reader who does what a document says.

    Parameters:
        home: the reader's home folder.
        folder: where the reader works; the first shell starts there.
        places: what must differ on this machine: texts of the document and what stands for each.
        databases: URLs by the names that `sql` blocks have for them.
        elsewhere: commands that are not run here, and who runs them or why nobody can.
        environ: variables that the reader has set.
    """

    def __init__(
        self,
        home: Path,
        folder: Path,
        *,
        places: Mapping[str, str],
        databases: Mapping[str, str] | None = None,
        elsewhere: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._home = home
        self._folder = folder
        self._places = places
        self._databases = databases or {}
        self._elsewhere = dict(elsewhere or {})
        path = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
        self._variables = {
            "PATH": os.pathsep.join(path),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **(environ or {}),
        }
        self._terminals: list[Terminal] = []
        self._shell = Terminal(folder, self._variables)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for typed_into in (self._shell, *self._terminals):
            typed_into.end()

    def follow(self, document: Path) -> None:
        """Do all that a document says; fails at the first thing that is not as it says."""
        for block in read_blocks(document):
            self._do(block)
        for terminal in self._terminals:
            assert terminal.end() == 0, f"did not end as it should:\n{terminal.output()}"
        assert not self._elsewhere, f"{document} has no such commands: {list(self._elsewhere)}"

    def _do(self, block: Block) -> None:
        if block.language == CONSOLE and block.label:
            self._go_on(block)
        elif block.language == CONSOLE:
            self._type(block)
        elif block.language == SQL:
            self._execute(block)
        elif block.language in FILES:
            path = self._folder / block.label
            path.write_text(self._here(block.text), encoding="utf-8")
        else:
            assert block.language in ONLY_SHOWN, f"line {block.line}: {block.language}?"

    def _here(self, text: str) -> str:
        for shown, here in self._places.items():
            text = text.replace(shown, here)
        return text

    def _command(self, command: Command) -> Command:
        output = tuple(map(self._here, command.output))
        print(f"line {command.line}: {command.text}", flush=True)
        return Command(self._here(command.text), command.line, output)

    def _type(self, block: Block) -> None:
        for command in map(self._command, read_commands(block)):
            if self._elsewhere.pop(command.text, None):
                continue
            output, code = self._shell.run(command.text)
            if code != command.exit_code or not command.pattern.fullmatch(output):
                _fail(command, output, f"exit {code}")

    def _go_on(self, block: Block) -> None:
        (command,) = map(self._command, read_commands(block))
        terminal = Terminal(self._folder, self._variables, command.text)
        self._terminals.append(terminal)

        def has_shown_it() -> bool:
            running = terminal.is_running()
            shown = command.pattern.match(terminal.output()) is not None
            if not shown and not running:
                _fail(command, terminal.output(), "it ended")
            return shown

        if not wait_until(has_shown_it, DEADLINE_S, INTERVAL_S):
            _fail(command, terminal.output(), f"waited {DEADLINE_S:g} s")

    def _execute(self, block: Block) -> None:
        print(f"line {block.line}: {block.text}", flush=True)
        url = self._databases[block.label]
        # a database is not created inside a transaction
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in filter(str.strip, block.text.split(";\n")):
                connection.exec_driver_sql(statement)
        engine.dispose()


class Terminal:
    """A shell of the reader's, and what is printed there.

    Parameters:
        folder: where it starts.
        environ: its whole environment.
        command: what it runs to the end; None: what is typed into it.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str], command: str | None = None
    ) -> None:
        self._screen = folder / f".screen-{uuid4().hex}"
        with self._screen.open("wb") as screen:
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", *(("-c", command) if command else ())],
                stdin=subprocess.DEVNULL if command else subprocess.PIPE,
                stdout=screen,
                stderr=screen,
                cwd=folder,
                env=dict(environ),
                start_new_session=True,
            )

    def output(self) -> str:
        """Give all that was printed so far."""
        return self._screen.read_text(encoding="utf-8", errors="replace")

    def run(self, command: str) -> tuple[str, int]:
        """Type a command and wait for its end.

        Returns:
            What it printed, and its exit code.
        """
        begin, mark = len(self.output()), uuid4().hex
        # the command must not read the lines that are typed after it
        typed = f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' {mark} $?\n"
        assert self._process.stdin is not None
        self._process.stdin.write(typed.encode())
        self._process.stdin.flush()

        def printed() -> str:
            return self.output()[begin:]

        if not wait_until(lambda: f"\n{mark} " in printed(), DEADLINE_S, INTERVAL_S):
            pytest.fail(f"{command}\n{printed()}\nhas not ended after {DEADLINE_S:g} s")
        output, _, code = printed().rpartition(f"\n{mark} ")
        whole_lines = output if not output or output.endswith("\n") else f"{output}\n"
        return whole_lines, int(code)

    def is_running(self) -> bool:
        """Say whether it still runs."""
        return self._process.poll() is None

    def end(self) -> int:
        """End it as closing its window does, and kill it when that is not enough.

        Returns:
            The exit code.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        elif self.is_running():
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            return self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()


def _fail(command: Command, output: str, end: str) -> NoReturn:
    shown = "".join(f"{line}\n" for line in command.output)
    pytest.fail(
        f"line {command.line}: {command.text}\n"
        f"-- the document shows (exit {command.exit_code}):\n{shown}"
        f"-- it printed ({end}):\n{output}",
        pytrace=False,
    )
