"""What the runner takes a document to say."""

from pathlib import Path

import pytest

from tests.docs.blocks import Block, Command, read_blocks, read_commands
from tests.docs.runner import Runner


def shown(*output: str) -> Command:
    return Command("true", 1, output)


def test_blocks_come_with_their_language_label_and_line(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# Page\n\n```console server\n$ start\nup\n```\n\n```text\nshown\n```\n")

    assert list(read_blocks(document)) == [
        Block("console", "server", 4, ("$ start", "up")),
        Block("text", "", 9, ("shown",)),
    ]


def test_a_block_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("```console\n$ true\n")

    with pytest.raises(ValueError, match="not closed"):
        list(read_blocks(document))


def test_commands_come_with_what_they_print() -> None:
    block = Block("console", "", 10, ("$ one |", "> two", "printed", "$ three  # exit 4"))

    assert list(read_commands(block)) == [
        Command("one |\ntwo", 10, ("printed",)),
        Command("three  # exit 4", 13, ()),
    ]
    assert [command.exit_code for command in read_commands(block)] == [0, 4]


def test_a_block_that_begins_with_output_is_refused() -> None:
    with pytest.raises(ValueError, match="line 3"):
        list(read_commands(Block("console", "", 3, ("printed", "$ one"))))


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        (("ready: …",), "ready: http://127.0.0.1:1\n"),
        (("a  b",), "a      b\n"),
        (("first", "…", "last"), "first\nlast\n"),
        (("first", "…", "last"), "first\n2\n3\nlast\n"),
        ((), ""),
    ],
)
def test_output_that_is_as_shown_is_accepted(output: tuple[str, ...], printed: str) -> None:
    assert shown(*output).pattern.fullmatch(printed)


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        (("ready: …",), "ready: one\ntwo\n"),
        (("a b",), "ab\n"),
        (("first", "last"), "first\n2\nlast\n"),
        (("a.b",), "a-b\n"),
        ((), "something\n"),
    ],
)
def test_output_that_is_not_as_shown_is_refused(output: tuple[str, ...], printed: str) -> None:
    assert not shown(*output).pattern.fullmatch(printed)


def follow(folder: Path, *lines: str) -> None:
    document = folder / "page.md"
    document.write_text("".join(f"{line}\n" for line in lines))
    with Runner(folder, folder, places={"/shown": str(folder)}) as runner:
        runner.follow(document)


def test_a_document_is_followed_in_one_shell(tmp_path: Path) -> None:
    follow(
        tmp_path,
        *("```console", "$ NAME=world", "$ cd /shown", "```"),
        *("```python hello.py", "import sys", "sys.exit(f'hello {sys.argv[1]}')", "```"),
        *("```console", '$ python hello.py "$NAME"  # exit 1', "hello world", "```"),
    )


@pytest.mark.parametrize(
    "lines",
    [
        ("$ echo one", "two"),
        ("$ false",),
        ("$ true  # exit 1",),
        ("$ echo something",),
    ],
)
def test_a_document_that_shows_something_else_fails(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(pytest.fail.Exception):
        follow(tmp_path, "```console", *lines, "```")


def test_a_command_that_goes_on_is_waited_for_and_ended(tmp_path: Path) -> None:
    follow(
        tmp_path,
        *("```console other", "$ trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"),
        *("up", "```"),
    )


def test_a_command_that_should_go_on_and_ends_fails(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception):
        follow(tmp_path, "```console other", "$ echo down", "up", "```")


def test_a_block_of_an_unknown_kind_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        follow(tmp_path, "```ruby", "puts 1", "```")
