"""What a task must not hand on fails it, in words that say what was wrong."""

import json

import pytest

from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.executions.claims import Claim, Completed, Failed, Outcome
from cloacina.executions.outcomes import of_answer
from tests.cloacina.executions.runs import MAX_BYTES, Runs, failed, task
from tests.cloacina.slots import Desk

# each as the body of one task of a package, with how its error begins
BODIES = {
    "bytes": ("context.set('n', b'x')\nreturn context", "TypeError: unsupported type"),
    "bytes_deep_down": ("return cloaca.Context({'n': [{'a': b'x'}]})", "TypeError: unsupported"),
    "a_key": ("return cloaca.Context({'n': {1: 2}})", "TypeError: "),
    "large": ("context.set('n', 'x' * (10 << 20))\nreturn context", "context_too_large: "),
    "deep": (
        "value = []\nfor _ in range(10_000):\n    value = [value]\n"
        "context.set('n', value)\nreturn context",
        "ValueError: ",
    ),
    "a_text": ("return 'x'", "TypeError: Task 'a_text' returned str"),
    "a_list": ("return [1]", "TypeError: Task 'a_list' returned list"),
    "a_flag": ("return True", "TypeError: Task 'a_flag' returned bool"),
    "a_generator": ("return (n for n in [])", "TypeError: Task 'a_generator' returned generator"),
    "a_class": ("return cloaca.Context", "TypeError: Task 'a_class' returned type"),
}


def module() -> str:
    """Declare all of them, side by side, and a task after them."""
    parts = []
    for name, (body, _) in BODIES.items():
        lines = "".join(f"    {line}\n" for line in body.split("\n"))
        parts.append(f"@cloaca.task(retry_attempts=1)\ndef {name}(context):\n{lines}\n")
    names = ", ".join(f'"{name}"' for name in BODIES)
    parts.append(f"@cloaca.task(dependencies=[{names}])\ndef after(context):\n    return context\n")
    return "\n".join(parts)


def test_each_fails_its_task_in_words_and_hands_nothing_on(desk: Desk) -> None:
    execution_id = desk.start(desk.built(module()), x=1)
    execution = desk.run_all(execution_id)
    for name, (_, begins) in BODIES.items():
        row = desk.runs.row(execution_id, name)
        assert (name, row.status, row.output_context) == (name, "Failed", None)
        assert row.last_error is not None
        assert row.last_error.startswith(begins), (name, row.last_error)
        assert len(row.last_error) < 20_000
    assert desk.runs.states(execution_id)["after"] == "Completed"
    assert execution.error == f"{len(BODIES)} task(s) failed, 1 completed, 0 skipped"
    # with nothing handed on, what comes after begins with nothing
    assert execution.context == {}


def test_what_json_has_no_word_for_is_handed_on_as_the_sdk_says(desk: Desk) -> None:
    package = desk.built(
        "@cloaca.task()\ndef it(context):\n"
        "    odd = {'nan': float('nan'), 'inf': [float('inf')], 'tuple': (1,), 'set': {1}}\n"
        "    return cloaca.Context(odd)\n"
    )
    execution = desk.run_all(desk.start(package))
    assert execution.context == {"nan": None, "inf": [None], "tuple": [1], "set": [1]}


@pytest.mark.parametrize(
    ("context", "error"),
    [
        ('{"n": NaN}', "the context "),
        ('{"n": -Infinity}', "the context "),
        ('{"n": ' + "[" * 10_000 + "]" * 10_000 + "}", "the context "),
        ('{"n": "' + "x" * (10 << 20) + '"}', "context_too_large: the context is 104857"),
        ("[1]", "the context must be a JSON object, not an array"),
        ("5", "the context must be a JSON object, not a number"),
        (5, "the context must be a JSON object, not a number"),
        ({"n": 1}, "the context "),
        ("{", "the context "),
        ("", "the context "),
        ('{"n": "\ud800"}', "the context is not valid Unicode"),
    ],
)
def test_an_answer_that_was_forged_fails_its_task_for_good(context: object, error: str) -> None:
    outcome = of_answer({"ok": True, "context": context}, "{}", MAX_BYTES)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(error)
    assert not outcome.retryable


def test_what_is_just_within_the_limit_is_handed_on(desk: Desk) -> None:
    room = MAX_BYTES - len('{"n":""}')
    body = (
        "@cloaca.task()\ndef it(context):\n"
        f"    return cloaca.Context({{'n': 'x' * ({room} - int(context.get('less')))}})\n"
    )
    package = desk.built(body)
    fits = desk.run_all(desk.start(package, less=1))
    assert fits.status == "Completed"
    assert len(fits.context["n"]) == room - 1
    assert desk.run_all(desk.start(package, less=-2)).status == "Failed"


@pytest.mark.parametrize(
    ("context", "error"),
    [
        ({"n": float("nan")}, ContextError),
        ({"n": b"x"}, ContextError),
        ({"n": "x" * (10 << 20)}, ContextTooLarge),
    ],
)
def test_none_is_taken_as_an_initial_context(
    runs: Runs, context: dict[str, object], error: type[ContextError]
) -> None:
    package = runs.workflow(task("a"))
    with pytest.raises(error):
        runs.start(package, **context)
    assert runs.claim() is None


def test_an_initial_context_that_nests_too_deep_is_refused(runs: Runs) -> None:
    package = runs.workflow(task("a"))
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(ContextError):
        runs.start(package, n=value)


def large(claim: Claim) -> Outcome:
    """Hand on six tenths of what may be handed on, under a key of its own."""
    return Completed(json.dumps({claim.task.id: "x" * (MAX_BYTES * 6 // 10)}))


def test_leaves_that_are_too_much_once_merged_fail_the_execution(runs: Runs) -> None:
    execution_id = runs.start(runs.workflow(task("a"), task("b")), x=1)
    runs.run(execution_id, large)
    assert runs.states(execution_id) == {"a": "Completed", "b": "Completed"}
    execution = runs.get(execution_id)
    assert execution.status == "Failed"
    assert execution.error is not None
    assert execution.error.startswith("context_too_large: the context is 12583")
    assert f"over the limit of {MAX_BYTES} bytes" in execution.error
    assert execution.context == {"x": 1}
    assert runs.events(execution_id)[-1] == (
        "workflow_failed",
        None,
        {"reason": execution.error},
    )


def test_many_leaves_that_nobody_would_want_to_read_do_so_too(runs: Runs) -> None:
    names = [f"t{number}" for number in range(40)]
    execution_id = runs.start(runs.workflow(*map(task, names)), x=1)
    runs.run(execution_id, large)
    execution = runs.get(execution_id)
    assert execution.status == "Failed"
    assert (execution.error or "").startswith("context_too_large: the context is 2")


@pytest.mark.parametrize("claim_more", [False, True])
@pytest.mark.parametrize("width", [2, 40])
def test_what_is_too_much_as_an_input_is_claimed_with_its_size(
    runs: Runs, width: int, claim_more: bool
) -> None:
    names = [f"t{number}" for number in range(width)]
    execution_id = runs.start(runs.workflow(*map(task, names), task("join", *names)))
    held = [runs.must_claim(execution_id) for _ in names]
    for claim in held:
        finished = runs.finish(claim, large(claim), claim_more=claim_more)
    join = finished.following or runs.must_claim(execution_id)
    assert join.task.id == "join"
    assert join.input_bytes > width * MAX_BYTES // 2
    # far too much is not even read
    assert (join.input_context is None) == (width == 40)
    runs.finish(join, failed("context_too_large: …"))
    assert runs.get(execution_id).status == "Failed"


def test_a_slot_fails_a_task_whose_inputs_nobody_would_want_to_read(desk: Desk) -> None:
    execution_id = desk.start(
        desk.built("""
def part(number):
    @cloaca.task(id=f"part{number}")
    def run(context):
        return cloaca.Context({f"part{number}": "x" * 1_000_000})

for number in range(20):
    part(number)

@cloaca.task(dependencies=[f"part{number}" for number in range(20)])
def it(context):
    return None
""")
    )
    desk.run_all(execution_id)
    row = desk.runs.row(execution_id, "it")
    assert (row.status, row.attempt) == ("Failed", 1)
    assert (row.last_error or "").startswith("context_too_large: the context is 20000")
