import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.errors import InvalidWorkflow
from cloacina.dag.graph import LONGEST_TIMEOUT_S, Graph, Task
from cloacina.dag.retry import Backoff, RetryPolicy
from cloacina.errors import InvalidInput
from tests.cloacina.dag.strategies import graphs

DIGEST = "5f" * 32


def graph_of(**dependencies: str) -> Graph:
    """Make a graph from `b="a c"`: b depends on a and c."""
    tasks = [{"id": name, "dependencies": on.split()} for name, on in dependencies.items()]
    return Graph.from_definition({"tasks": tasks})


def refusal(definition: object) -> str:
    with pytest.raises(InvalidWorkflow) as caught:
        Graph.from_definition(definition)  # type: ignore[arg-type]
    assert isinstance(caught.value, InvalidInput)
    caught.value.message.encode()  # it is stored and shown: it must be valid text
    return caught.value.message


def test_a_definition_is_read_whole():
    rule = {"type": "All", "conditions": [{"type": "TaskSuccess", "task_name": "extract"}]}
    definition = {
        "description": "nightly",
        "tasks": [
            {"id": "extract"},
            {
                "id": "load",
                "dependencies": ["extract"],
                "trigger_rules": rule,
                "timeout_s": 30,
                "retry": {"max_attempts": 5, "backoff": "fixed"},
                "description": "d",
                "doc_what": "loads",
                "doc_why": "reports need it",
            },
        ],
        "params": [],
        "triggers": [],
    }

    graph = Graph.from_definition(json.loads(json.dumps(definition)))

    assert graph.tasks == (
        Task("extract", trigger_rules={"type": "Always"}, retry=RetryPolicy()),
        Task(
            "load",
            ("extract",),
            rule,
            30.0,
            RetryPolicy(max_attempts=5, backoff=Backoff.FIXED),
            "d",
            "loads",
            "reports need it",
        ),
    )
    assert graph.task("load") is graph.tasks[1]


def test_roots_leaves_and_dependents_come_in_order_of_declaration():
    graph = graph_of(z="root", y="root", join="y z", root="", alone="")

    assert graph.roots == ("root", "alone")
    assert graph.leaves == ("join", "alone")
    assert graph.dependents("root") == ("z", "y")
    assert graph.dependents("join") == ()
    assert graph.task("join").dependencies == ("y", "z")


def test_an_unknown_task_is_a_key_error():
    with pytest.raises(KeyError):
        graph_of(a="").task("b")


def test_a_dependency_named_twice_is_one():
    graph = graph_of(a="", b="", c="b a b")

    assert graph.task("c").dependencies == ("b", "a")
    assert graph.dependents("b") == ("c",)


@given(graphs())
def test_each_next_task_is_the_first_declared_whose_dependencies_are_out(graph):
    out: list[str] = []
    while len(out) < len(graph.tasks):
        out.append(
            next(t.id for t in graph.tasks if t.id not in out and set(t.dependencies) <= set(out))
        )

    assert graph.topological_order == tuple(out)


@given(graphs())
def test_dependents_are_dependencies_the_other_way(graph):
    names = [task.id for task in graph.tasks]
    for name in names:
        assert graph.dependents(name) == tuple(
            task.id for task in graph.tasks if name in task.dependencies
        )
    assert graph.roots == tuple(t.id for t in graph.tasks if not t.dependencies)
    assert graph.leaves == tuple(name for name in names if not graph.dependents(name))


@pytest.mark.parametrize(
    ("graph", "cycle"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"out": "c", "root": "", "b": "root c", "c": "d", "d": "b"}, "b -> c -> d -> b"),
    ],
)
def test_a_cycle_is_refused_and_named_from_its_first_declared_task(graph, cycle):
    with pytest.raises(InvalidWorkflow) as caught:
        graph_of(**graph)

    assert caught.value.message == f"Circular dependency detected: [{cycle}]"
    assert caught.value.code == "invalid_workflow"


@given(graphs(), st.data())
def test_closing_a_path_makes_a_cycle_of_true_dependencies(graph, data):
    definition = [{"id": t.id, "dependencies": list(t.dependencies)} for t in graph.tasks]
    task = data.draw(st.sampled_from(definition))
    reachable = [task["id"]]
    for name in reachable:
        reachable += [n for n in graph.dependents(name) if n not in reachable]
    task["dependencies"].append(data.draw(st.sampled_from(reachable)))

    message = refusal({"tasks": definition})

    cycle = message.partition("[")[2].rstrip("]").split(" -> ")
    dependencies = {item["id"]: item["dependencies"] for item in definition}
    assert cycle[0] == cycle[-1]
    assert len(set(cycle)) == len(cycle) - 1
    for name, on in itertools.pairwise(cycle):
        assert on in dependencies[name]


def test_a_long_cycle_is_named_in_short():
    tasks = [{"id": f"t{n}", "dependencies": [f"t{(n + 1) % 10_000}"]} for n in range(10_000)]

    message = refusal({"tasks": tasks})

    assert message.startswith("Circular dependency detected: [t0 -> t1 -> t2 ->")
    assert message.endswith("t19 -> ... 9980 more ... -> t0]")


def test_a_missing_dependency_is_refused_and_named():
    with pytest.raises(InvalidWorkflow) as caught:
        graph_of(X="Y")

    assert caught.value.message == (
        "Missing dependency: task 'X' depends on 'Y' which is not registered"
    )


def test_a_duplicate_id_is_refused_and_named():
    assert refusal({"tasks": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}) == (
        "Duplicate task id: 'a' is registered twice"
    )


@pytest.mark.parametrize("definition", [{}, {"tasks": []}])
def test_a_workflow_without_tasks_is_refused(definition):
    assert refusal(definition) == "Empty package: registered no tasks"


@pytest.mark.parametrize("definition", [None, [], "tasks", {"tasks": None}, {"tasks": {"a": {}}}])
def test_what_has_no_list_of_tasks_is_no_definition(definition):
    assert "must be an object with a list 'tasks'" in refusal(definition)


@pytest.mark.parametrize(
    "task_id", [None, 1, "", "a::b", "a\x00", "a\nb", "\ud800", "x" * 256, ["a"]]
)
def test_an_id_that_cannot_be_shown_or_told_from_a_full_name_is_refused(task_id):
    assert "cannot be used: it must be a text of 1 to 255" in refusal({"tasks": [{"id": task_id}]})


def test_ids_may_be_in_any_script():
    assert graph_of(**{"zählen-1.b": "", "集計": "zählen-1.b"}).leaves == ("集計",)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dependencies", "b", "dependencies must be a list of task ids"),
        ("dependencies", [1], "dependencies must be a list of task ids"),
        ("dependencies", ["\ud800"], "Missing dependency: task 'a' depends on '\\ud800'"),
        ("timeout_s", 0, "timeout_s must be a number of seconds above 0"),
        ("timeout_s", True, "timeout_s must be"),
        ("timeout_s", float("nan"), "timeout_s must be"),
        ("timeout_s", LONGEST_TIMEOUT_S + 1, "timeout_s must be"),
        ("trigger_rules", None, "Task 'a': Trigger rule: must be an object"),
        ("trigger_rules", {"type": "TaskFailed", "task_name": "z"}, "'z' is not a task"),
        ("retry", [], "Task 'a': Retry policy: must be an object"),
        ("retry", {"jitter": "yes"}, "Task 'a': Retry policy: jitter must be true or false"),
        ("description", 1, "Task 'a': description must be a text"),
        ("doc_what", [], "doc_what must be a text"),
        ("doc_why", {}, "doc_why must be a text"),
    ],
)
def test_a_wrong_field_is_refused_with_the_task_and_the_field(field, value, message):
    assert message in refusal({"tasks": [{"id": "a", field: value}]})


def test_a_task_that_is_no_object_is_refused():
    assert refusal({"tasks": ["a"]}) == "Workflow: each task must be an object"


def chain(length: int) -> dict[str, object]:
    """Declared backwards, so that nothing is found in order by luck."""
    tasks = [{"id": f"t{n}", "dependencies": [f"t{n - 1}"] if n else []} for n in range(length)]
    return {"tasks": tasks[::-1]}


def test_a_chain_of_ten_thousand_tasks_needs_no_stack():
    graph = Graph.from_definition(chain(10_000))

    assert graph.topological_order == tuple(f"t{n}" for n in range(10_000))
    assert graph.roots == ("t0",)
    assert graph.leaves == ("t9999",)


def seconds_to_read(definition: dict[str, object]) -> float:
    before = time.process_time()
    Graph.from_definition(definition)
    return time.process_time() - before


def test_the_cost_of_a_graph_grows_with_its_size_alone():
    small, large = (min(seconds_to_read(chain(n)) for _ in range(3)) for n in (500, 10_000))

    assert large < 20 * small * 5  # were it quadratic, it would be 400 times


def test_the_version_is_sixteen_hexadecimal_digits_that_never_change():
    graph = graph_of(a="", b="a")

    assert graph.content_version(DIGEST) == graph_of(a="", b="a").content_version(DIGEST)
    assert len(graph.content_version(DIGEST)) == 16
    assert int(graph.content_version(DIGEST), 16) >= 0
    assert graph.content_version(DIGEST) == "fa5d21c9d49c769d"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "c"}, {"dependencies": []}, {"timeout_s": 1}, {"retry": {"jitter": False}},
        {"trigger_rules": {"type": "TaskFailed", "task_name": "a"}},
    ],
)  # fmt: skip
def test_another_task_graph_is_another_version(change):
    changed = {"tasks": [{"id": "a"}, {"id": "b", "dependencies": ["a"]} | change]}

    versions = {graph_of(a="", b="a").content_version(DIGEST)}
    versions.add(Graph.from_definition(changed).content_version(DIGEST))

    assert len(versions) == 2


def test_another_source_or_order_is_another_version():
    versions = {
        graph_of(a="", b="").content_version(DIGEST),
        graph_of(a="", b="").content_version("00" * 32),
        graph_of(b="", a="").content_version(DIGEST),
    }

    assert len(versions) == 3
