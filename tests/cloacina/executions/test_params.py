"""Declared params, as a caller meets them and as a tenant's process may forge them."""

from typing import Any

import pytest

from cloacina.dag.errors import InvalidWorkflow
from cloacina.executions.errors import WorkflowInputInvalid
from cloacina.executions.params import check_slots, with_defaults

VALUES: dict[str, list[Any]] = {
    "string": ["", "x"],
    "integer": [0, -1, 10**30],
    "number": [0.5, -1.5],
    "boolean": [True, False],
    "array": [[], [1]],
    "object": [{}, {"a": 1}],
    "null": [None],
}


def slot(kind: Any, *, required: bool = True, **more: Any) -> dict[str, Any]:
    schema = {} if kind is None else {"type": kind}
    return {"name": "p", "schema": schema, "required": required, "encrypted": False, **more}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_must_be_of_the_declared_type(kind: str) -> None:
    for other, values in VALUES.items():
        fits = other == kind or (kind == "number" and other == "integer")
        for value in values:
            if fits:
                assert with_defaults([slot(kind)], {"p": value}) == {"p": value}
            else:
                with pytest.raises(WorkflowInputInvalid, match=f"'p' must be of type {kind}"):
                    with_defaults([slot(kind)], {"p": value})


def test_several_types_may_be_declared_and_none_means_any() -> None:
    assert with_defaults([slot(["string", "null"])], {"p": None}) == {"p": None}
    with pytest.raises(WorkflowInputInvalid, match="'p' must be of type string or null"):
        with_defaults([slot(["string", "null"])], {"p": 1})
    for anything in (1, None, "x", []):
        assert with_defaults([slot(None)], {"p": anything}) == {"p": anything}


def test_a_default_is_filled_in_as_it_is_and_a_given_value_wins() -> None:
    optional = slot("string", required=False, default=None)
    assert with_defaults([optional], {}) == {"p": None}
    assert with_defaults([optional], {"p": "given"}) == {"p": "given"}


def test_an_optional_param_without_a_default_may_be_left_out() -> None:
    assert with_defaults([slot("string", required=False)], {"other": 1}) == {"other": 1}


def test_all_that_is_wrong_is_said_at_once() -> None:
    slots = [slot("string") | {"name": name} for name in ("a", "b", "c")]
    with pytest.raises(WorkflowInputInvalid) as caught:
        with_defaults(slots, {"a": 1, "c": "x"})
    text = "workflow input is invalid: 'a' must be of type string; 'b' is required"
    assert caught.value.message == text


@pytest.mark.parametrize(
    "slots",
    [
        None,
        {},
        "params",
        [1],
        [{}],
        [{"name": "p", "required": True}],
        [{"name": 1, "schema": {}, "required": True}],
        [{"name": "p", "schema": [], "required": True}],
        [{"name": "p", "schema": {"type": 5}, "required": True}],
        [{"name": "p", "schema": {"type": ["string", 5]}, "required": True}],
        [{"name": "p", "schema": {}, "required": "yes"}],
    ],
)
def test_params_of_another_form_are_refused(slots: Any) -> None:
    with pytest.raises(InvalidWorkflow, match="its params must be a list of objects"):
        check_slots(slots)


def test_params_of_the_right_form_are_not() -> None:
    check_slots([])
    check_slots([slot("string"), slot(["string", "null"], default=None), slot(None)])
