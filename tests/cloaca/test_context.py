import enum
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca import Context
from cloaca.context import to_json_value

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Lone surrogates and NUL are text to JSON, too.
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)
JSON_OBJECTS = st.dictionaries(st.text(st.characters()), JSON_VALUES)


@given(JSON_OBJECTS)
def test_a_context_survives_its_json_text(data):
    text = Context(data).to_json()
    text.encode()
    assert Context.from_json(text).to_dict() == data
    assert json.loads(text) == data


@given(JSON_OBJECTS)
def test_the_order_of_keys_is_kept(data):
    assert list(Context.from_json(Context(data).to_json()).to_dict()) == list(data)


def test_the_json_text_is_compact_and_readable():
    assert Context({"name": "Zoë", "n": [1, 2]}).to_json() == '{"name":"Zoë","n":[1,2]}'


def test_an_empty_context_has_no_keys():
    context = Context()
    assert len(context) == 0
    assert context.to_dict() == {}
    assert context.get("a") is None


def test_set_then_get():
    context = Context()
    context.set("a", 1)
    context["b"] = None
    assert context.get("a") == context["a"] == 1
    assert context["b"] is None
    assert context.get("b", "default") is None
    assert context.get("c", "default") == "default"
    assert "b" in context
    assert "c" not in context
    assert len(context) == 2


def test_insert_refuses_a_key_that_is_there():
    context = Context({"a": 1})
    context.insert("b", 2)
    with pytest.raises(ValueError, match="Key already exists: 'a'"):
        context.insert("a", 2)
    assert context.to_dict() == {"a": 1, "b": 2}


def test_update_refuses_a_key_that_is_missing():
    context = Context({"a": 1})
    context.update("a", 2)
    with pytest.raises(KeyError, match="Key not found: 'b'"):
        context.update("b", 2)
    assert context.to_dict() == {"a": 2}


def test_remove_gives_the_value_or_none():
    context = Context({"a": 1})
    assert context.remove("a") == 1
    assert context.remove("a") is None


def test_a_missing_item_is_named():
    context = Context()
    with pytest.raises(KeyError, match="Key not found: 'k'"):
        context["k"]
    with pytest.raises(KeyError, match="Key not found: 'k'"):
        del context["k"]


def test_an_item_can_be_deleted():
    context = Context({"a": 1, "b": 2})
    del context["a"]
    assert context.to_dict() == {"b": 2}


def test_update_from_dict_changes_all_or_nothing():
    context = Context({"a": 1})
    context.update_from_dict({"a": 2, "b": 3})
    with pytest.raises(TypeError):
        context.update_from_dict({"a": 4, "c": object()})
    assert context.to_dict() == {"a": 2, "b": 3}


def test_repr_is_the_json_text():
    assert repr(Context({"a": 1})) == 'Context({"a":1})'


def test_values_are_copied_both_ways():
    given_list = [1]
    context = Context({"list": given_list})
    given_list.append(2)
    context.get("list").append(3)
    context["list"].append(4)
    context.to_dict()["list"].append(5)
    assert context.to_dict() == {"list": [1]}


def test_what_json_has_no_type_for_becomes_what_comes_nearest():
    context = Context({"tuple": (1, (2,)), "set": {1}, "nan": math.nan, "inf": [math.inf]})
    assert context.to_dict() == {"tuple": [1, [2]], "set": [1], "nan": None, "inf": [None]}


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


class Level(enum.IntEnum):
    HIGH = 3


def test_subclasses_become_the_builtin_value_they_hold():
    value = to_json_value({Loud("red"): Level.HIGH})
    assert value == {"red": 3}
    assert type(next(iter(value))) is str
    assert type(value["red"]) is int


@pytest.mark.parametrize("value", [object(), b"bytes", 1j, [object()], {"a": range(3)}, Context()])
def test_a_value_without_json_is_refused(value):
    with pytest.raises(TypeError, match="unsupported type"):
        Context({"key": value})


@pytest.mark.parametrize("data", [{1: 2}, {"a": {None: 1}}])
def test_a_key_that_is_not_text_is_refused(data):
    with pytest.raises(TypeError, match="keys are str"):
        Context(data)


def test_set_refuses_a_key_that_is_not_text():
    with pytest.raises(TypeError, match="unsupported type int for a key"):
        Context().set(1, 2)


@pytest.mark.parametrize("data", [[], "text", 3, [("a", 1)]])
def test_data_that_is_not_a_dict_is_refused(data):
    with pytest.raises(TypeError, match="must be a dict"):
        Context(data)


def test_a_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        Context({"loop": loop})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[]", "an object, not an array"),
        ("null", "an object, not null"),
        ("1.5", "an object, not a number"),
        ("[" * 100_000, "nests too deep"),
    ],
)
def test_text_that_is_not_of_an_object_is_refused(text, reason):
    with pytest.raises(ValueError, match=f"Failed to deserialize from JSON: .*{reason}"):
        Context.from_json(text)


def test_a_number_beyond_all_floats_is_null():
    assert Context.from_json('{"a": 1e999, "b": 1e9}').to_dict() == {"a": None, "b": 1e9}


def test_a_context_cannot_be_iterated():
    with pytest.raises(TypeError, match="not iterable"):
        iter(Context({"a": 1}))


def test_secrets_are_not_configured():
    with pytest.raises(RuntimeError, match="'db' cannot be read: no secret store is configured"):
        Context().secret("db")
    with pytest.raises(RuntimeError, match="no secret store is configured"):
        Context().secret_field("db", "password")
