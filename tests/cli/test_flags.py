"""The global flags, on both sides of every noun and verb; a test walks the whole tree."""

import click
import pytest

from cli.main import PROGRAM, cloacinactl
from cli.options import GLOBAL_FLAGS, Duration
from cli.state import State


def walk(context, path=()):
    yield path, context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield from walk(click.Context(command, info_name=name, parent=context), (*path, name))


# a command keeps the help option of the first context that asks for it: this must be the program's
COMMANDS = list(walk(click.Context(cloacinactl, info_name=PROGRAM, **cloacinactl.context_settings)))
LEAVES = [(path, it.command) for path, it in COMMANDS if not isinstance(it.command, click.Group)]


def parse(words):
    """Parse words as the command line does, and run nothing; give the flags that were kept."""
    state = State()
    context = cloacinactl.make_context(PROGRAM, list(words), obj=state)
    command = cloacinactl
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, rest, parent=context)
    return state.flags


def arguments_of(command):
    words = []
    for parameter in command.params:
        if parameter.required:
            words.append("bash" if isinstance(parameter.type, click.Choice) else "x")
    return words


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
@pytest.mark.parametrize("flag", ["--server", "--api-key", "--home", "--profile", "--tenant"])
def test_a_flag_is_taken_at_every_level_and_the_innermost_wins(path, command, flag):
    own = {name for parameter in command.params for name in parameter.opts}
    if flag in own:
        return
    name = flag.strip("-").replace("-", "_")
    words = [flag, "0"]
    assert parse([*words, *path, *arguments_of(command)])[name] == "0"
    for level, word in enumerate(path, start=1):
        words += [word, flag, str(level)]
    assert parse([*words, *arguments_of(command)])[name] == str(len(path))
    assert parse([*words, *arguments_of(command), flag, "last"])[name] == "last"


@pytest.mark.parametrize(("path", "context"), COMMANDS, ids=[" ".join(p) for p, _ in COMMANDS])
def test_every_command_has_help_and_says_what_it_does(path, context):
    command = context.command
    assert command.get_short_help_str()
    shown = command.get_help(context)
    own = {name for parameter in command.params for name in parameter.opts}
    for flag in GLOBAL_FLAGS:
        assert own.intersection(flag.opts) or flag.opts[-1] in shown
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} of {path} has no help"


def test_json_is_a_form_of_output_and_the_later_one_wins():
    assert parse(["--json", "tenant", "list"])["output"] == "json"
    assert parse(["-o", "table", "tenant", "list", "--json"])["output"] == "json"
    assert parse(["--json", "tenant", "list", "-o", "id"])["output"] == "id"


def test_switches_are_taken_on_both_sides():
    assert parse(["-v", "tenant", "list"])["verbose"] is True
    assert parse(["tenant", "list", "--no-color"])["no_color"] is True


@pytest.mark.parametrize("words", [["-V"], ["tenant", "--version"], ["tenant", "list", "-V"]])
def test_the_version_is_shown_everywhere(run, words):
    result = run(*words)
    assert result.code == 0
    assert result.out.startswith("cloacinactl ")


@pytest.mark.parametrize("words", [["-h"], ["tenant", "--help"], ["tenant", "create", "-h"]])
def test_help_is_shown_everywhere(run, words):
    result = run(*words)
    assert result.code == 0
    assert "Global flags:" in result.out


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["tenant", "nonsense"],
        ["tenant", "list", "--nonsense"],
        ["tenant", "create"],
        ["tenant"],
        ["tenant", "list", "-o", "xml"],
        ["execution", "list", "--limit", "many"],
        ["workflow", "run", "etl", "--param", "novalue"],
        ["key", "create", "ops", "--admin", "--tenant", "acme"],
        ["key", "create", "ci", "--expires", "soon"],
    ],
)
def test_wrong_use_ends_with_2(run, words):
    result = run(*words)
    assert (result.code, result.out) == (2, "")
    assert "Usage: cloacinactl" in result.err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("2H", 7200), ("30d", 2_592_000), ("1w", 604_800)],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    assert Duration()(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 m", "1.5h", "5y", "\u0665m"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="is no length of time"):
        Duration()(text)
