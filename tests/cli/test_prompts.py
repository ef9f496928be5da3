"""Destructive commands, asked about on a real terminal."""

import os
import pty
import subprocess
import sys

import pytest

QUESTION = b"delete tenant acme? [y/N] "


@pytest.fixture
def answer_on_a_terminal(api, home):
    def run_it(reply: bytes) -> tuple[int, bytes, bytes]:
        ours, theirs = pty.openpty()
        words = ["tenant", "delete", "acme", "--server", api.url, "--api-key", "x"]
        program = "import sys; from cli.main import main; sys.exit(main())"
        with subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            asked = process.stderr.read(len(QUESTION))
            assert asked == QUESTION
            os.write(ours, reply)
            out, err = process.communicate(timeout=20)
        os.close(ours)
        os.close(theirs)
        return process.returncode, out, err

    return run_it


@pytest.mark.parametrize("reply", [b"y\n", b"Y\n", b"yes\n"])
def test_yes_goes_on(api, answer_on_a_terminal, reply):
    api.on("DELETE /v1/tenants/acme", (200, {"status": "removed"}))
    assert answer_on_a_terminal(reply) == (0, b"deleted tenant acme\n", b"")


@pytest.mark.parametrize("reply", [b"n\n", b"\n", b"what?\n", b"\x04"])
def test_anything_else_cancels(api, answer_on_a_terminal, reply):
    assert answer_on_a_terminal(reply) == (1, b"", b"Error: cancelled\n")
    assert api.requests == []


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["tenant", "delete", "acme"], "delete tenant acme"),
        (["key", "revoke", "k1"], "revoke key k1"),
        (["package", "delete", "p1"], "delete package p1"),
    ],
)
def test_without_a_terminal_force_is_needed(client, api, words, action):
    result = client(*words)
    assert (result.code, result.err) == (
        1,
        f"Error: refusing to {action} without --force (stdin is not a TTY)\n",
    )
    assert api.requests == []
