"""Named statements, kept together in a `.sql` file beside the feature that they belong to.

A file is a row of blocks. `-- name: lock_execution` begins a statement; comments after it say what
it does. Where SQLite wants it quite otherwise, a line `-- sqlite:` begins that form. For small
differences there are these words:

    {now}            the database's time at this very statement
    {start}          its time as the statement begins: what an index is searched with
    {after:s}        its time at this very statement, plus the parameter `s`, in seconds
    {before:x}       the same, less the expression `x`
    {any:ids}        follows a column: it is one of the list in the parameter `ids`
    {lock}           FOR UPDATE
    {lock:a, b}      FOR UPDATE OF a, b SKIP LOCKED
    {keep:a}         FOR KEY SHARE OF a: until the end of the transaction nobody deletes its row
    {octets:column}  the column's length in bytes
    {uuid}           a new random id
    {by_indexes}     has PostgreSQL find all rows by indexes, and in their order, until the end of
                     the transaction; a column of its own
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cloacina.db.clock import SQLITE_NOW

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_WORD = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_NAME = "-- name: "
_SQLITE = "-- sqlite:"

# A plan is kept for as long as the statistics are that it was made with, and these may be from
# before a tenant had ten thousand tasks waiting: no plan shall read or sort all there is.
_OTHER_WAYS = ("bitmapscan", "hashjoin", "material", "mergejoin", "seqscan", "sort")
_SWITCHES = " || ".join(f"set_config('enable_{way}', 'off', true)" for way in _OTHER_WAYS)
BY_INDEXES = f"{_SWITCHES} AS by_indexes"

_WORDS: Mapping[str, tuple[str, str]] = {
    # PostgreSQL, SQLite
    "now": ("clock_timestamp()", f"(strftime('{SQLITE_NOW}', 'now') || '000+00:00')"),
    "start": ("statement_timestamp()", f"(strftime('{SQLITE_NOW}', 'now') || '000+00:00')"),
    "after": (
        "(clock_timestamp() + make_interval(secs => :{}))",
        f"(strftime('{SQLITE_NOW}', 'now', :{{}} || ' seconds') || '000+00:00')",
    ),
    "before": (
        "(clock_timestamp() - make_interval(secs => {}))",
        f"(strftime('{SQLITE_NOW}', 'now', -({{}}) || ' seconds') || '000+00:00')",
    ),
    "any": ("= ANY(:{})", "IN (SELECT value FROM json_each(:{}))"),
    "lock": ("FOR UPDATE{}", "{:.0}"),
    "keep": ("FOR KEY SHARE OF {}", "{:.0}"),
    "octets": ("octet_length({})", "length(CAST({} AS BLOB))"),
    "uuid": ("gen_random_uuid()", "lower(hex(randomblob(16)))"),
    "by_indexes": (BY_INDEXES, "1"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as each database takes it.

    Parameters:
        name: in its file.
        postgresql: with parameters as `$1`, in UTF-8.
        parameters: their names, in order.
        sqlite: with parameters as `:name`.
        is_command: begins or ends a transaction; there is nothing to plan about it.
    """

    name: str
    postgresql: bytes
    parameters: tuple[str, ...]
    sqlite: str
    is_command: bool = False


def make_statement(name: str, postgresql: str, sqlite: str) -> Statement:
    """Make a statement of two texts with parameters as `:name`."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(postgresql)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", postgresql)
    return Statement(name, numbered.encode(), names, sqlite)


class SqlFile:
    """The statements of a file, each an attribute.

    Parameters:
        path: the file.

    Raises:
        ValueError: a block has no name, or a word is unknown.
    """

    def __init__(self, path: Path) -> None:
        self._statements = {found.name: found for found in _read(path.read_text("utf-8"))}

    def __getattr__(self, name: str) -> Statement:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._statements.values())


def _read(text: str) -> Iterator[Statement]:
    _, *blocks = text.split(_NAME)
    if not blocks:
        raise ValueError(f"no line begins with {_NAME!r}")
    for block in blocks:
        name, _, body = block.partition("\n")
        common, _, other = body.partition(_SQLITE)
        yield make_statement(name.strip(), _spelt(common, 0), _spelt(other or common, 1))


def _spelt(text: str, dialect: int) -> str:
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    return _WORD.sub(partial(_word, dialect=dialect), " ".join(" ".join(lines).split()))


def _word(match: re.Match[str], dialect: int) -> str:
    name, argument = match.group(1), match.group(2) or ""
    if name not in _WORDS:
        raise ValueError(f"unknown word in a statement: {match.group()}")
    if name == "lock" and argument:
        argument = f" OF {argument} SKIP LOCKED"
    return _WORDS[name][dialect].format(argument)
