import pytest

from cloaca import var, var_or


def test_a_variable_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("CLOACINA_VAR_REGION", "eu")
    assert var("REGION") == "eu"
    assert var_or("REGION", "us") == "eu"


def test_a_missing_variable_is_named_with_its_place(monkeypatch):
    monkeypatch.delenv("CLOACINA_VAR_REGION", raising=False)
    with pytest.raises(KeyError) as caught:
        var("REGION")
    assert caught.value.args == (
        "required variable 'REGION' not set (expected env var CLOACINA_VAR_REGION)",
    )
    assert var_or("REGION", "us") == "us"
