"""What can only be seen from outside: start-up, signals, pipes, the shells' completion."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

PROGRAM = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())"]


def test_a_command_that_asks_no_server_imports_no_client_and_no_tables():
    slow = "requests", "rich", "keyring", "tomlkit", "yaml", "sqlalchemy", "celery", "flask"
    script = (
        "import sys; from cli.main import main; main(['tenant', 'list', '--help'])\n"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_interrupt_ends_with_130_and_no_traceback(api, home):
    api.on("GET /v1/tenants/acme/executions/e1", (200, {"status": "Running"}))
    api.on("POST /v1/tenants/acme/workflows/etl/execute", (202, {"execution_id": "e1"}))
    words = ["workflow", "run", "etl", "--wait", "--tenant", "acme"]
    # a shell starts what it puts in the background with the signal ignored, the suite perhaps too
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    with subprocess.Popen(
        [*PROGRAM[:2], heeds + PROGRAM[2], *words, "--server", api.url, "--api-key", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # the id is printed before the wait begins
        assert process.stdout.readline() == "e1\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "\n")


def test_a_reader_that_goes_away_is_no_error(api, home):
    items = [{"name": f"tenant_{number}"} for number in range(20_000)]
    api.on("GET /v1/tenants", (200, {"items": items, "total": len(items)}))
    with subprocess.Popen(
        [*PROGRAM, "tenant", "list", "--server", api.url, "--api-key", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "tenant_0\n"
        process.stdout.close()
        assert process.stderr.read() == ""


def test_text_that_the_terminal_cannot_write_is_escaped(api, home):
    api.on("GET /v1/tenants", (200, {"items": [{"name": "łódź"}], "total": 1}))
    done = subprocess.run(
        [*PROGRAM, "tenant", "list", "--server", api.url, "--api-key", "x"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"\\u0142\xf3d\\u017a\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(run, shell):
    result = run("completions", shell)
    assert result.code == 0
    assert f"_CLOACINACTL_COMPLETE={shell}_complete" in result.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_bash_script_is_valid_bash(run):
    script = run("completions", "bash").out
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_words_are_completed(home):
    completing = {
        "_CLOACINACTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "cloacinactl tenant ",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        PROGRAM, env=os.environ | completing, capture_output=True, text=True, check=False
    )
    verbs = [line.removeprefix("plain,") for line in done.stdout.split()]
    assert verbs == sorted(verbs)
    assert {"create", "delete", "list"} <= set(verbs)
