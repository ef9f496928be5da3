"""The reference pages say what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.reference import PAGES, WRITE


@pytest.mark.parametrize(
    ("path", "page"), PAGES.items(), ids=lambda each: getattr(each, "stem", "")
)
def test_a_reference_page_is_current(path: Path, page: Callable[[], str]) -> None:
    assert path.read_text(encoding="utf-8") == page(), f"write it anew with: {WRITE}"
