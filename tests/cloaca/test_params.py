import pytest

from cloaca import workflow_params, workflow_secrets
from cloaca.params import declared_params


def slot(name, kind, **default):
    required = not default
    declared = {"name": name, "schema": {"type": kind}, "required": required, "encrypted": False}
    return {**declared, **default}


def test_a_type_is_required_and_a_pair_has_a_default():
    @workflow_params(source=str, limit=(int, 500))
    def load(context):
        return context

    assert declared_params([load]) == [
        slot("source", "string"),
        slot("limit", "integer", default=500),
    ]
    assert load("as it was") == "as it was"


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (bool, "boolean"),
        (list, "array"),
        (dict, "object"),
    ],
)
def test_types_become_json_schema(declared, kind):
    assert declared_params([workflow_params(p=declared)(lambda c: c)]) == [slot("p", kind)]


@pytest.mark.parametrize(
    ("declared", "default"),
    [((str, None), None), ((float, 1), 1), ((list, [1]), [1]), ((bool, False), False)],
)
def test_defaults_that_fit(declared, default):
    (found,) = declared_params([workflow_params(p=declared)(lambda c: c)])
    assert found["default"] == default
    assert not found["required"]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (bytes, "is not one of the types str, int, float, bool, list, dict"),
        ("str", "'str' is not one of the types"),
        (None, "None is not one of the types"),
        ((int,), "a type, or a pair"),
        ((int, 1, 2), "a type, or a pair"),
        ((int, "1"), "the default '1' is not int"),
        ((int, True), "the default True is not int"),
        ((int, 1.5), "the default 1.5 is not int"),
        ((bool, 1), "the default 1 is not bool"),
        ((list, [object()]), "unsupported type object"),
    ],
)
def test_what_cannot_be_a_parameter_is_refused(declared, reason):
    with pytest.raises(TypeError, match=reason):
        workflow_params(p=declared)


def test_decorators_stack_in_the_order_of_reading():
    @workflow_params(a=int)
    @workflow_params(b=int)
    def load(context):
        return context

    assert [found["name"] for found in declared_params([load])] == ["a", "b"]


def test_tasks_may_declare_the_same_parameter_in_the_same_way():
    functions = [workflow_params(p=(int, 1))(lambda c: c) for _ in range(2)]
    assert declared_params(functions) == [slot("p", "integer", default=1)]


def test_tasks_that_declare_one_name_differently_are_refused():
    functions = [workflow_params(p=kind)(lambda c: c) for kind in (int, str)]
    with pytest.raises(ValueError, match="'p' is declared twice"):
        declared_params(functions)


def test_a_function_without_declaration_has_no_parameters():
    assert declared_params([lambda context: context]) == []


def test_secrets_are_declared_by_name():
    function = workflow_secrets("db", "token")(workflow_secrets("mail")(len))
    assert function is len
    with pytest.raises(TypeError, match="takes names, not int"):
        workflow_secrets(3)
