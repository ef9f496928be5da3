"""What can be wrong with a package."""

from cloacina.errors import CloacinaError, Conflict, InvalidInput, NotFound

_MOST_PROBLEMS = 20
_LONGEST_PLACE = 200


class InvalidPackage(InvalidInput):
    """This is not a package that can be used.

    Parameters:
        problems: what is wrong, each a line for people that begins with its place, such as
            `workflow/json.py: …`.

    Attributes:
        problems: the same, in order.
    """

    code = "upload_failed"

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems) or None)


class NoRoom(InvalidInput):
    """The tenant may not store this package as well."""

    code = "upload_failed"


class WorkflowNotFound(NotFound):
    """There is no such workflow, or its package is still building."""

    code = "workflow_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"workflow '{name}' not found in registry")


class WorkflowPaused(Conflict):
    """The workflow is paused; resume it first."""

    code = "workflow_paused"

    def __init__(self, name: str) -> None:
        super().__init__(f"workflow '{name}' is paused; resume it first")


class NotWanted(CloacinaError):
    """The package was not unpacked, since nobody waits for it any more."""

    code = "not_wanted"


class Problems:
    """The problems of one package, collected so that its author sees them all at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def add(self, place: str, text: str) -> None:
        """Note one problem.

        Parameters:
            place: the path inside the package; made safe to print here.
            text: what is wrong and what to do about it.
        """
        self.extend((f"{printable(place)}: {text}",))

    def extend(self, lines: tuple[str, ...]) -> None:
        """Note problems that already name their places."""
        for line in lines:
            if len(self._lines) < _MOST_PROBLEMS:
                self._lines.append(line)
            else:
                self._more += 1

    def __bool__(self) -> bool:
        return bool(self._lines)

    def error(self) -> InvalidPackage:
        """Give all that is wrong as one error."""
        more = (f"and {self._more:,} more problems",) if self._more else ()
        return InvalidPackage(*self._lines, *more)


def printable(path: str) -> str:
    """Give a path from an archive in a form that no terminal or log can be tricked with."""
    shown = path if path.isprintable() else ascii(path)[1:-1]
    return shown if len(shown) <= _LONGEST_PLACE else shown[: _LONGEST_PLACE - 1] + "…"
