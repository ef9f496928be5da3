import copy
import functools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloacina.dag.context import dump_context, final_context, input_context, merge, parse_context
from cloacina.dag.errors import ContextError, ContextTooLarge
from cloacina.dag.graph import Graph, Task
from cloacina.errors import Unprocessable
from tests.cloacina.dag.strategies import CONTEXTS, graphs, merge_two, same

LIMIT = 1024 * 1024


@given(st.lists(CONTEXTS, max_size=4))
def test_merging_is_merging_two_at_a_time_and_changes_no_input(outputs):
    before = copy.deepcopy(outputs)

    merged = merge(iter(outputs))

    assert outputs == before
    if outputs:
        expected = functools.reduce(merge_two, outputs)
        assert same(merged, expected)
        assert json.dumps(merged) == json.dumps(expected)  # the order of keys too
    else:
        assert merged == {}


@given(CONTEXTS)
def test_one_output_and_any_number_of_empty_ones_merge_to_that_output(output):
    assert same(merge([output]), output)
    assert same(merge([{}, output, {}]), output)


@given(CONTEXTS, CONTEXTS, CONTEXTS)
def test_merging_in_steps_is_merging_at_once(one, two, three):
    assert same(merge([merge([one, two]), three]), merge([one, two, three]))


def test_the_result_is_a_new_object():
    output = {"a": {"b": 1}}

    merge([output])["new"] = True

    assert output == {"a": {"b": 1}}


def test_arrays_are_joined_objects_merged_and_of_scalars_the_later_wins():
    merged = merge(
        [
            {"rows": [1, 2, 2], "meta": {"by": "a", "tags": ["x"]}, "n": 1, "only": [1, 1]},
            {"rows": [2, 3], "meta": {"at": "b", "tags": ["x", "y"]}, "n": None},
        ]
    )

    assert merged == {
        "rows": [1, 2, 3],
        "meta": {"by": "a", "tags": ["x", "y"], "at": "b"},
        "n": None,
        "only": [1, 1],
    }


def test_of_values_of_different_kinds_the_later_wins():
    assert merge([{"a": [1]}, {"a": {"b": 1}}]) == {"a": {"b": 1}}
    assert merge([{"a": [1]}, {"a": 2}, {"a": [3]}]) == {"a": [3]}


def test_arrays_keep_true_beside_one_and_the_first_of_equal_numbers():
    merged = merge([{"a": [1, True, 0, {"b": 1}]}, {"a": [1.0, False, {"b": 1.0}, {"b": True}]}])

    assert merged["a"] == [1, True, 0, {"b": 1}, False, {"b": True}]
    assert [type(item) for item in merged["a"][:3]] == [int, bool, int]


def test_merging_contexts_of_any_depth_needs_no_stack():
    outputs = []
    for leaf in ([1], [2]):
        output: dict[str, object] = {"leaf": leaf}
        for _ in range(50_000):
            output = {"a": output}
        outputs.append(output)

    merged = merge(outputs)

    for _ in range(50_000):
        merged = merged["a"]
    assert merged == {"leaf": [1, 2]}


def seconds_to_merge(outputs: int) -> float:
    contexts = [{"rows": [n, {"id": n}], "by_id": {f"k{n}": n}, "last": n} for n in range(outputs)]
    before = time.process_time()
    assert len(merge(contexts)["rows"]) == 2 * outputs
    return time.process_time() - before


def test_the_cost_of_a_merge_grows_with_the_size_of_the_outputs_alone():
    small, large = (min(seconds_to_merge(n) for _ in range(3)) for n in (1_000, 20_000))

    assert large < 20 * small * 5  # were it quadratic, it would be 400 times


def test_the_input_of_a_root_is_the_initial_context():
    initial = {"a": [1, 1]}

    assert input_context(Task("a"), {}, initial) == initial


def test_the_input_is_merged_in_declared_order_of_the_dependencies_that_completed():
    task = Task("d", dependencies=("c", "a", "b"))

    assert input_context(task, {"a": {"n": "a"}, "c": {"n": "c"}}, {"n": 0}) == {"n": "a"}
    assert input_context(task, {}, {"n": 0}) == {}


@given(graphs(), st.data())
def test_the_final_context_merges_completed_leaves_in_topological_order(graph, data):
    outputs = data.draw(st.dictionaries(st.sampled_from([t.id for t in graph.tasks]), CONTEXTS))
    ended = [name for name in graph.topological_order if not graph.dependents(name)]
    completed = [outputs[name] for name in ended if name in outputs]

    expected = functools.reduce(merge_two, completed) if completed else {"initial": [1, 1]}

    assert same(final_context(graph, outputs, {"initial": [1, 1]}), expected)


def test_leaves_that_no_order_binds_are_merged_in_order_of_declaration():
    graph = Graph([Task("late", ("root",)), Task("root"), Task("early")])

    assert graph.topological_order == ("root", "late", "early")
    outputs = {"early": {"n": "early"}, "late": {"n": "late"}, "root": {"n": "root", "m": 1}}
    assert final_context(graph, outputs, {}) == {"n": "early"}


@given(CONTEXTS)
def test_a_stored_context_reads_as_it_was(context):
    assert same(parse_context(dump_context(context, LIMIT), LIMIT), context)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "an array"),
        ('"a"', "a text"),
        ("1", "a number"),
        ("1.5", "a number"),
        ("true", "a boolean"),
        ("null", "null"),
    ],
)
def test_a_context_that_is_no_object_is_refused_by_kind(text, kind):
    with pytest.raises(ContextError) as caught:
        parse_context(text, LIMIT)

    assert caught.value.message == f"the context must be a JSON object, not {kind}"
    assert caught.value.code == "validation_error"
    assert isinstance(caught.value, Unprocessable)


@pytest.mark.parametrize("text", ["", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e400}', "{]"])
def test_a_context_that_is_not_strict_json_is_refused(text):
    with pytest.raises(ContextError, match="the context is not JSON"):
        parse_context(text, LIMIT)


def test_a_context_with_a_raw_lone_surrogate_is_refused_and_an_escaped_one_is_not():
    with pytest.raises(ContextError, match="not valid Unicode"):
        parse_context('{"a": "\ud800"}', LIMIT)

    context = parse_context('{"a": "\\ud800"}', LIMIT)
    assert dump_context(context, LIMIT) == '{"a":"\\ud800"}'


def test_a_context_that_nests_too_deep_is_refused_both_ways():
    deep = {"a": json.loads("[" * 200 + "]" * 200)}

    with pytest.raises(ContextError, match="the context nests deeper than 200 levels"):
        parse_context(json.dumps(deep), LIMIT)
    with pytest.raises(ContextError, match="the context nests deeper than 200 levels"):
        dump_context(deep, LIMIT)
    assert parse_context(json.dumps({"a": deep["a"][0]}), LIMIT)


def test_a_context_that_is_not_json_is_not_written():
    with pytest.raises(ContextError, match="the context is not JSON"):
        dump_context({"a": float("nan")}, LIMIT)


def test_the_size_limit_counts_bytes_and_names_size_and_limit():
    text = '{"a":"é"}'
    assert parse_context(text, 10) == {"a": "é"}
    assert dump_context({"a": "é"}, 10) == text

    for refused in (
        lambda: parse_context(text, 9),
        lambda: dump_context({"a": "é"}, 9),
    ):
        with pytest.raises(ContextTooLarge, match=r"context_too_large: .* 10 bytes.* 9 ") as caught:
            refused()
        assert (caught.value.code, caught.value.size, caught.value.limit) == (
            "context_too_large",
            10,
            9,
        )
