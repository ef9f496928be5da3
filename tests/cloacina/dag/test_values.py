import pytest
from hypothesis import given

from cloacina.dag.values import MAX_DEPTH, dump_json, finite_number, identity, load_json, shown
from tests.cloacina.dag.strategies import JSON, same


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(JSON, JSON)
def test_two_values_share_an_identity_exactly_when_they_are_equal(one, other):
    assert (identity(one) == identity(other)) == same(one, other)


def test_the_identity_of_flat_parts_cannot_be_read_in_two_ways():
    values = [
        [],
        {},
        [[]],
        [[[]]],
        [[], []],
        [{}, []],
        {"a": []},
        {"a": {}},
        ["a"],
        [None],
        None,
        "",
        0,
    ]
    values += [False, "0", "0x0", [["a"], "b"], [["a", "b"]], {"a": "b"}, {"a": ["b"]}]

    assert len({identity(value) for value in values}) == len(values)


def test_numbers_are_equal_by_value_and_booleans_are_no_numbers():
    assert identity(1) == identity(1.0)
    assert identity(0.0) == identity(-0.0)
    assert identity(True) != identity(1)
    assert identity(2**53 + 1) != identity(2.0**53)
    assert identity(10**5000) != identity(10**5000 + 1)


def test_numbers_whose_hashes_collide_have_identities_whose_hashes_do_not():
    modulus = 2**61 - 1

    assert len({hash(identity(modulus * n)) for n in range(1, 1000)}) > 990


def test_the_identity_of_a_very_deep_value_needs_no_stack():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    assert identity(deep) != identity([])


@given(JSON)
def test_what_was_dumped_loads_as_it_was(value):
    assert same(load_json(dump_json(value)), value)


def test_text_stays_as_it_is_and_a_lone_surrogate_is_escaped():
    assert dump_json("é\x00") == '"é\\u0000"'
    assert dump_json("\ud800é") == '"\\ud800\\u00e9"'
    assert load_json(dump_json("\ud800é")) == "\ud800é"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", '{"a": [-1e999]}'])
def test_numbers_that_are_not_finite_are_refused(text):
    with pytest.raises(ValueError, match="is not JSON"):
        load_json(text)


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "[1,]", '"\x00"', "1" * 5000])
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="is not JSON"):
        load_json(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, [b"a"], {("a",): 1}])
def test_values_that_are_not_json_are_refused(value):
    with pytest.raises(ValueError, match="is not JSON"):
        dump_json(value)


def test_nesting_is_bounded_exactly_both_ways():
    deepest = load_json(nested(MAX_DEPTH))
    assert dump_json(deepest) == nested(MAX_DEPTH)

    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValueError, match="nests deeper than 200 levels"):
            load_json(nested(depth))

    for extra in (1, 100_000):
        too_deep = deepest
        for _ in range(extra):
            too_deep = [too_deep]
        with pytest.raises(ValueError, match="nests deeper than 200 levels"):
            dump_json(too_deep)


def test_many_brackets_beside_each_other_are_not_deep():
    wide = '{"text":"' + "[{" * 500 + '","list":[' + ",".join(["[]"] * 500) + "]}"

    assert dump_json(load_json(wide)) == wide


@pytest.mark.parametrize("value", [True, None, "1", float("nan"), float("-inf"), 10**400, []])
def test_what_is_no_finite_number_reads_as_none(value):
    assert finite_number(value) is None


def test_finite_numbers_read_as_floats():
    assert [finite_number(value) for value in (3, -0.5)] == [3.0, -0.5]


def test_a_value_of_any_type_and_size_can_be_shown():
    assert shown("a'b\ud800") == '"a\'b\\ud800"'
    assert shown([[]]) == "of type list"
    assert len(shown("x" * 10_000)) < 300
