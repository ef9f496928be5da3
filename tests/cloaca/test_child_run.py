"""Running tasks of real packages in real child processes."""

import json

import pytest


def failure(child, task="job", context=None):
    answer = child.run(task, context)
    assert answer["ok"] is False
    assert answer["error"].keys() == {"type", "message", "traceback", "retryable"}
    return answer["error"]


def test_a_task_gets_its_input_and_hands_on_its_output(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            context.set("sum", context["a"] + context["b"])
            return context
    """)
    assert child.run("job", {"a": 1, "b": 2}) == {"a": 1, "b": 2, "sum": 3}


def test_a_task_that_returns_none_changes_nothing(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            context.set("lost", True)
    """)
    assert child.run("job", {"a": 1}) == {"ok": True, "context": None}


def test_text_of_all_kinds_survives_a_task(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            context["surrogate"] = "\\udc80"
            return context
    """)
    text = {"nul": "\0", "emoji": "✓ 🎉", "lone": "\ud800"}
    assert child.run("job", text) == {**text, "surrogate": "\udc80"}


def test_a_task_gets_a_handle_when_it_asks_for_one(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context, task_handle):
            context["held"] = task_handle.is_slot_held()
            return context
    """)
    assert child.run("job") == {"held": True}


def test_a_task_that_waits_gives_up_its_slot_until_it_is_told_to_go_on(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        async def job(context, handle):
            left = [False, False, True]
            held = []
            handle.defer_until(lambda: [held.append(handle.is_slot_held()), left.pop(0)][1], 20)
            return cloaca.Context({"held": [*held, handle.is_slot_held()]})

        @cloaca.task()
        def fails(context, handle):
            handle.defer_until(lambda: 1 / 0)
    """)
    assert child.request({"op": "run", "task": "job", "context": "{}"}) == {"defer": 20}
    assert child.receive() == {"resume": True}
    answer = child.request({"go": True})
    assert json.loads(answer["context"]) == {"held": [False, False, False, True]}

    assert child.request({"op": "run", "task": "fails", "context": "{}"}) == {"defer": 1000}
    assert child.receive() == {"resume": True}
    assert child.request({"go": True})["error"]["type"] == "ZeroDivisionError"


def test_async_tasks_run_to_completion(loaded):
    child = loaded("""
        import asyncio
        import cloaca

        @cloaca.task()
        async def job(context):
            await asyncio.sleep(0)
            context["done"] = True
            return context

        @cloaca.task()
        async def fails(context):
            await asyncio.sleep(0)
            raise ValueError("no")
    """)
    assert child.run("job") == {"done": True}
    assert failure(child, "fails")["message"] == "no"
    assert child.run("job") == {"done": True}


def test_what_a_task_raises_is_told_with_its_own_lines(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            return context["missing"]
    """)
    error = failure(child)
    assert (error["type"], error["message"]) == ("KeyError", "\"Key not found: 'missing'\"")
    assert 'File "etl/tasks.py", line 6, in job' in error["traceback"]
    assert "_run.py" not in error["traceback"]
    assert "context.py" not in error["traceback"]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("raise BaseException('all')", "BaseException", "all"),
        ("raise Unreadable", "Unreadable", "(its text cannot be read: __str__ failed)"),
        ("return {'a': 1}", "TypeError", "Task 'job' returned dict: return the context, or None"),
        ("return 0", "TypeError", "Task 'job' returned int: return the context, or None"),
        ("context['x'] = object()", "TypeError", "unsupported type object: use None, bool, int"),
        ("context._data['x'] = object(); return context", "TypeError", "Object of type object is"),
        ("context['x'] = 10 ** 5000; return context", "ValueError", "Exceeds the limit"),
        ("return job(context)", "RecursionError", "maximum recursion depth exceeded"),
        ("raise ExceptionGroup('two', [ValueError('a')])", "ExceptionGroup", "two (1 sub-exc"),
    ],
)
def test_whatever_goes_wrong_fails_the_task_and_not_the_child(loaded, body, kind, message):
    child = loaded(f"""
        import cloaca

        class Unreadable(Exception):
            def __str__(self):
                raise RuntimeError

        @cloaca.task()
        def job(context):
            {body}

        @cloaca.task()
        def fine(context):
            return context
    """)
    error = failure(child)
    assert error["type"] == kind
    assert error["message"].startswith(message)
    assert child.run("fine", {"a": 1}) == {"a": 1}


def test_a_task_that_the_package_does_not_have_is_named(loaded, start_child):
    child = loaded("import cloaca\ncloaca.task(id='a')(lambda context: context)")
    error = failure(child, "b")
    assert (error["type"], error["message"]) == ("LookupError", "The package has no task 'b'")
    assert error["retryable"] is False
    assert failure(start_child(), "a")["type"] == "LookupError"


def test_an_input_that_is_no_object_fails_the_task(loaded):
    child = loaded("import cloaca\ncloaca.task(id='job')(lambda context: context)")
    assert failure(child, context="[1]")["message"].endswith("an object, not an array")


@pytest.mark.parametrize(
    ("condition", "retryable"),
    [
        ("", [True, True, True]),
        ("retry_condition='all'", [True, True, True]),
        ("retry_condition='never'", [False, False, False]),
        ("retry_condition='transient'", [True, True, False]),
        ("retry=PATTERNS", [False, False, True]),
    ],
)
def test_the_tasks_own_condition_says_what_is_worth_another_attempt(loaded, condition, retryable):
    child = loaded(f"""
        import cloaca

        PATTERNS = (
            cloaca.RetryPolicy.builder()
            .retry_condition(cloaca.RetryCondition.error_pattern(["COLUMN"]))
            .build()
        )
        ERRORS = [ConnectionResetError(), RuntimeError("read timeout"), ValueError("no column x")]

        @cloaca.task({condition})
        def job(context):
            raise ERRORS[context["n"]]
    """)
    assert [failure(child, context={"n": n})["retryable"] for n in range(3)] == retryable


CALLBACKS = """
    import cloaca

    seen = []

    def succeeded(task_id, context):
        seen.append(["success", task_id, context.to_dict()])
        context["changed"] = True

    async def failed(task_id, error, context):
        seen.append(["failure", task_id, error, context.to_dict()])

    def broken(*arguments):
        raise SystemExit("callback is broken")

    @cloaca.task(on_success=succeeded, on_failure=failed)
    def job(context):
        context["n"] += 1
        if context["n"] > 5:
            raise ValueError("too many")
        return context

    @cloaca.task(on_success=succeeded)
    def silent(context):
        context["lost"] = True

    @cloaca.task(on_success=broken, on_failure=broken)
    def broken_callbacks(context):
        if "fail" in context:
            raise ValueError("from the task")
        return context

    @cloaca.task()
    def report(context):
        return cloaca.Context({"seen": seen})
"""


def test_callbacks_are_called_and_change_nothing(loaded):
    child = loaded(CALLBACKS)
    assert child.run("job", {"n": 1}) == {"n": 2}
    assert failure(child, context={"n": 5})["message"] == "too many"
    assert child.run("silent", {"n": 1})["context"] is None
    assert child.run("report")["seen"] == [
        ["success", "job", {"n": 2}],
        ["failure", "job", "ValueError: too many", {"n": 5}],
        ["success", "silent", {"n": 1}],
    ]


def test_errors_in_callbacks_are_logged_and_ignored(loaded):
    child = loaded(CALLBACKS)
    assert child.run("broken_callbacks", {"n": 1}) == {"n": 1}
    assert failure(child, "broken_callbacks", {"fail": 1})["message"] == "from the task"
    line = "A callback of task 'broken_callbacks' failed: SystemExit: callback is broken\n"
    assert child.stderr == line * 2


def test_output_is_complete_when_the_answer_comes(loaded):
    child = loaded("""
        import sys
        import cloaca

        @cloaca.task()
        def job(context):
            print("to stdout ✓", end="")
            sys.stderr.write("to stderr \\udc80")
    """)
    child.run("job")
    assert child.stdout == "to stdout ✓"
    assert child.stderr == "to stderr \\udc80"


@pytest.mark.parametrize(
    "body",
    [
        "sys.stdout.close(); sys.stderr.close()",
        "sys.stdout = sys.stderr = None",
        "sys.stdout = object()",
        "os.closerange(1, 3)",
        "os.write(1, b'\\0\\0\\0\\2{}' * 99)",
    ],
)
def test_nothing_done_to_the_output_reaches_the_answer(loaded, body):
    child = loaded(f"""
        import os, sys
        import cloaca

        def broken(*arguments):
            raise ValueError

        @cloaca.task(on_success=broken)
        def job(context):
            {body}
            return context
    """)
    for number in range(2):
        assert child.run("job", {"n": number}) == {"n": number}


def test_each_task_begins_in_the_childs_own_folder(loaded):
    child = loaded("""
        import os
        import cloaca

        os.chdir("/")

        @cloaca.task()
        def job(context):
            context["cwd"] = os.getcwd()
            os.chdir("/")
            return context
    """)
    for _ in range(2):
        assert child.run("job") == {"cwd": str(child.folder)}


def test_a_child_that_lost_its_folder_answers_and_ends(loaded, tmp_path):
    child = loaded("""
        import os, shutil
        import cloaca

        @cloaca.task()
        def job(context):
            shutil.rmtree(context["folder"])
            return context
    """)
    folder = {"folder": str(child.folder)}
    assert child.run("job", folder) == folder
    assert child.wait() == 0


def test_globals_of_a_module_live_on_between_tasks(loaded):
    child = loaded("""
        import cloaca

        calls = 0

        @cloaca.task()
        def job(context):
            global calls
            calls += 1
            context["calls"] = calls
            return context
    """)
    assert [child.run("job")["calls"] for _ in range(3)] == [1, 2, 3]


def test_an_answer_too_long_to_send_fails_the_task(loaded):
    child = loaded("""
        import cloaca

        @cloaca.task()
        def job(context):
            return cloaca.Context({"big": "x" * (65 * 1024 * 1024)})

        @cloaca.task()
        def fine(context):
            return context
    """)
    error = failure(child)
    assert (error["type"], error["retryable"]) == ("ValueError", False)
    assert "is over 67108864" in error["message"]
    assert child.run("fine", {"a": 1}) == {"a": 1}
