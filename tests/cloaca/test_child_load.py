"""Loading real packages in real child processes."""

import pytest

from tests.cloaca.children import write_modules

TASK = """
    import cloaca

    @cloaca.task()
    def {name}(context):
        return context
"""

WHOLE = '''
    """

    Loads the rows of the day.

    At night.
    """
    import cloaca

    @cloaca.workflow_params(source=str, limit=(int, 500))
    @cloaca.task(retry_attempts=0)
    def extract(context):
        """what: reads rows"""
        return context

    @cloaca.task(
        id="load",
        dependencies=[extract],
        timeout_s=5,
        trigger_rules=cloaca.all_of(cloaca.task_success("extract")),
    )
    @cloaca.workflow_params(limit=(int, 500), dry_run=(bool, False))
    async def load_rows(context):
        return context

    @cloaca.trigger(on="nightly", cron="0 3 * * *")
    def at_three():
        return cloaca.TriggerResult.skip()
'''


def slot(name, kind, **default):
    declared = {"name": name, "schema": {"type": kind}, "required": not default}
    return {**declared, "encrypted": False, **default}


def test_a_package_answers_its_definition(start_child, write_package):
    answer = start_child().load(write_package(WHOLE))
    retry = {
        "max_attempts": 3,
        "initial_delay_s": 1.0,
        "max_delay_s": 60.0,
        "backoff": "exponential",
        "multiplier": 2.0,
        "jitter": True,
    }
    assert answer == {
        "ok": True,
        "definition": {
            "description": "Loads the rows of the day.",
            "tasks": [
                {
                    "id": "extract",
                    "dependencies": [],
                    "trigger_rules": {"type": "Always"},
                    "timeout_s": None,
                    "retry": {**retry, "max_attempts": 1},
                    "description": None,
                    "doc_what": "reads rows",
                    "doc_why": None,
                },
                {
                    "id": "load",
                    "dependencies": ["extract"],
                    "trigger_rules": {
                        "type": "All",
                        "conditions": [{"type": "TaskSuccess", "task_name": "extract"}],
                    },
                    "timeout_s": 5.0,
                    "retry": retry,
                    "description": None,
                    "doc_what": None,
                    "doc_why": None,
                },
            ],
            "params": [
                slot("source", "string"),
                slot("limit", "integer", default=500),
                slot("dry_run", "boolean", default=False),
            ],
            "triggers": [
                {
                    "name": "at_three",
                    "on": "nightly",
                    "poll_interval_ms": None,
                    "cron": "0 3 * * *",
                    "timezone": "UTC",
                    "allow_concurrent": False,
                }
            ],
        },
    }


def test_tasks_may_be_spread_over_modules(start_child, write_package):
    root = write_package(
        "from etl import first, second",
        etl__first=TASK.format(name="a"),
        etl__second=TASK.format(name="b"),
    )
    definition = start_child().load(root)["definition"]
    assert [task["id"] for task in definition["tasks"]] == ["a", "b"]


@pytest.mark.parametrize("name", ["web", "cli", "workers", "migrations", "cloacina", "tests"])
def test_a_package_may_have_modules_named_like_the_servers(start_child, write_package, name):
    source = f"from {name} import helper\nimport {name}.tasks"
    modules = {f"{name}__helper": "", f"{name}__tasks": TASK.format(name="own")}
    answer = start_child().load(write_package(source, **modules))
    assert [task["id"] for task in answer["definition"]["tasks"]] == ["own"]


def test_earlier_folders_come_before_later_ones(start_child, tmp_path):
    vendor = write_modules(tmp_path / "vendor", {"helper": "NAME = 'vendored'"})
    source = "import cloaca, helper\ncloaca.task(id=helper.NAME)(lambda context: context)"
    own = write_modules(tmp_path / "workflow", {"etl.tasks": source, "helper": "NAME = 'own'"})
    answer = start_child().load(vendor, own)
    assert [task["id"] for task in answer["definition"]["tasks"]] == ["vendored"]


def test_what_a_package_prints_while_it_loads_is_output(loaded):
    child = loaded("print('loading ✓')\n" + TASK_WITHOUT_INDENT)
    assert child.stdout == "loading ✓\n"


TASK_WITHOUT_INDENT = """
import cloaca

@cloaca.task()
def job(context):
    return context
"""


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("", "ValueError", "Empty package: registered no tasks"),
        ("import nowhere", "ModuleNotFoundError", "No module named 'nowhere'"),
        ("raise RuntimeError('no config')", "RuntimeError", "no config"),
        ("import sys; sys.exit('bye')", "SystemExit", "bye"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("def broken(:\n    pass", "SyntaxError", "invalid syntax (tasks.py, line 1)"),
        (
            TASK_WITHOUT_INDENT * 2,
            "ValueError",
            "Task 'job' is defined twice in workflow 'nightly': give one of them another id",
        ),
        (
            "import cloaca\nwith cloaca.WorkflowBuilder('x'):\n    pass",
            "ValueError",
            "WorkflowBuilder('x') cannot be used inside a package: define the tasks of workflow "
            "'nightly' with @task at the module's top level",
        ),
        (
            "import cloaca\n"
            "cloaca.workflow_params(p=int)(cloaca.task(id='a')(lambda c: c))\n"
            "cloaca.workflow_params(p=str)(cloaca.task(id='b')(lambda c: c))\n",
            "ValueError",
            "Parameter 'p' is declared twice, and not in the same way",
        ),
    ],
)
def test_a_package_that_cannot_be_loaded_says_why(
    start_child, write_package, source, kind, message
):
    answer = start_child().load(write_package(source))
    assert answer["ok"] is False
    assert answer["error"].keys() == {"type", "message", "traceback"}
    assert (answer["error"]["type"], answer["error"]["message"]) == (kind, message)


def test_a_missing_entry_module_is_named(start_child, write_package):
    answer = start_child().load(write_package(), entry_module="etl.flows")
    assert answer["error"]["message"] == "No module named 'etl.flows'"


def test_a_traceback_has_the_packages_own_frames_only(start_child, write_package):
    root = write_package(
        "from etl import helper\n\nhelper.parse('{')\n",
        etl__helper="import json\n\ndef parse(text):\n    return json.loads(text)\n",
    )
    error = start_child().load(root)["error"]
    assert error["type"] == "JSONDecodeError"
    lines = [line for line in error["traceback"].splitlines() if "^" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "etl/tasks.py", line 3, in <module>',
        "    helper.parse('{')",
        '  File "etl/helper.py", line 4, in parse',
        "    return json.loads(text)",
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
    ]


def test_the_causes_of_an_error_are_trimmed_as_well(start_child, write_package):
    source = """
        import json

        try:
            json.loads("{")
        except ValueError as error:
            raise RuntimeError("bad file") from error
    """
    error = start_child().load(write_package(source))["error"]
    assert "direct cause" in error["traceback"]
    assert 'File "etl/tasks.py", line 5' in error["traceback"]
    assert 'File "etl/tasks.py", line 7' in error["traceback"]
    assert "decoder.py" not in error["traceback"]


def test_a_syntax_error_shows_the_line(start_child, write_package):
    root = write_package("import etl.broken", etl__broken="x = (1,\n")
    error = start_child().load(root)["error"]
    assert 'File "etl/broken.py", line 1\n    x = (1,\n' in error["traceback"]
    assert str(root) not in error["traceback"]


def test_a_giant_message_is_cut_in_the_middle(start_child, write_package):
    error = start_child().load(write_package("raise ValueError('a' + 'x' * 10**7 + 'z')"))["error"]
    assert error["message"][0] == "a"
    assert error["message"][-1] == "z"
    assert "characters left out" in error["message"]
    assert len(error["message"]) < 11_000
    assert len(error["traceback"]) < 51_000


def test_a_process_loads_one_package(loaded, tmp_path):
    child = loaded(TASK_WITHOUT_INDENT)
    answer = child.load(tmp_path / "workflow")
    assert answer["error"]["message"].startswith("This process has loaded a package already")


def test_a_package_cannot_declare_tasks_while_its_tasks_run(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            cloaca.task()(lambda context: context)
    """)
    assert child.run("job")["error"]["message"].startswith("No workflow context available.")
