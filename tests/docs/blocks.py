"""What the fenced blocks of a document mean.

    ```console          typed into one shell, which lasts for the whole document
    ```console NAME     one command that goes on, typed into a terminal of its own
    ```sql NAME         statements for the database that the document knows by this name
    ```python PATH      a file that the reader writes; likewise ```toml PATH
    ```text             nothing to run; likewise ```mermaid and ```yaml

In a console block, `$ ` begins a command, `> ` continues it, and all else is what it prints on
stdout or stderr: exactly that, where `…` stands for any text within a line, a line that is `…`
alone for any number of lines, and spaces for any number of spaces. `# exit N` at the end of a
command is its exit code, where it is not 0. Of a command that goes on, what is shown is the
beginning.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONSOLE, SQL = "console", "sql"
FILES = frozenset({"python", "toml"})
ONLY_SHOWN = frozenset({"text", "mermaid", "yaml"})

_FENCE = re.compile(r"```(.*)")
_EXIT = re.compile(r"# exit (\d+)$")
_GAP = re.compile(" +")
_ANY_LINES = "(?:[^\n]*\n)*?"
_ANY_TEXT = "[^\n]*"


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Parameters:
        language: the first word after the fence.
        label: the second one; empty when there is none.
        line: the number of its first line in the document.
        lines: what stands between the fences.
    """

    language: str
    label: str
    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Its lines as one text."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True)
class Command:
    """A command, and what comes of it.

    Parameters:
        text: what is typed.
        line: where in the document.
        output: the lines that it prints.
    """

    text: str
    line: int
    output: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """The exit code that it ends with."""
        found = _EXIT.search(self.text)
        return int(found[1]) if found else 0

    @property
    def pattern(self) -> re.Pattern[str]:
        """What its output looks like."""
        return re.compile("".join(map(_line_pattern, self.output)))


def _line_pattern(line: str) -> str:
    if line == "…":
        return _ANY_LINES
    parts = (" +".join(map(re.escape, _GAP.split(part))) for part in line.split("…"))
    return _ANY_TEXT.join(parts) + "\n"


def read_blocks(document: Path) -> Iterator[Block]:
    """Give the fenced blocks of a Markdown file, in order.

    Raises:
        ValueError: the last one is not closed.
    """
    lines: list[str] | None = None
    head, first = "", 0
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.fullmatch(line)
        if lines is None and fence is not None:
            head, first, lines = fence[1], number + 1, []
        elif lines is not None and line == "```":
            language, _, label = head.strip().partition(" ")
            yield Block(language, label, first, tuple(lines))
            lines = None
        elif lines is not None:
            lines.append(line)
    if lines is not None:
        raise ValueError(f"{document}: the block at line {first} is not closed")


def read_commands(block: Block) -> Iterator[Command]:
    """Give the commands of a console block, in order.

    Raises:
        ValueError: it begins with something else.
    """
    typed: list[str] = []
    printed: list[str] = []
    first = block.line
    for number, line in enumerate(block.lines, start=block.line):
        if line.startswith("$ "):
            if typed:
                yield Command("\n".join(typed), first, tuple(printed))
            typed, printed, first = [line[2:]], [], number
        elif not typed:
            raise ValueError(f"line {number}: a console block begins with '$ ' and a command")
        elif line.startswith("> ") and not printed:
            typed.append(line[2:])
        else:
            printed.append(line)
    if typed:
        yield Command("\n".join(typed), first, tuple(printed))
