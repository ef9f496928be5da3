import logging
import uuid

import pytest

from cloacina import logs
from tests.web.conftest import Caller


def test_a_request_without_an_id_gets_a_fresh_one(anyone: Caller) -> None:
    first, second = (anyone.get("/health").headers["x-request-id"] for _ in range(2))
    assert uuid.UUID(first) != uuid.UUID(second)


@pytest.mark.parametrize("given", ["a", "trace 7/b", "x" * 128])
def test_a_sane_id_is_kept(anyone: Caller, given: str) -> None:
    assert anyone.get("/nothing", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["x" * 129, "tab\there", "caf\xe9", ""])
def test_an_id_that_is_not_sane_is_replaced(anyone: Caller, given: str) -> None:
    answered = anyone.get("/health", headers={"x-request-id": given}).headers["x-request-id"]
    assert uuid.UUID(answered)


def test_a_request_is_logged_with_its_id_and_without_its_query(
    anyone: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str | None] = []
    caplog.handler.addFilter(lambda _: seen.append(logs.request_id.get()) or True)
    with caplog.at_level(logging.INFO, logger="web.access"):
        anyone.get("/v1/a%0Ab?token=hidden", headers={"x-request-id": "abc"})
    assert seen == ["abc"]
    assert "GET /v1/a%0Ab 404" in caplog.text
    assert "hidden" not in caplog.text
    assert logs.request_id.get() is None
