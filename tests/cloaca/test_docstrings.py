import pytest

from cloaca.docstrings import first_line, what_and_why


@pytest.mark.parametrize(
    ("docstring", "what", "why"),
    [
        (None, None, None),
        ("  \n ", None, None),
        ("Loads rows.", "Loads rows.", None),
        ("Loads rows.\n\n    From a file.\n", "Loads rows. From a file.", None),
        ("what: loads rows\n    why: others need them", "loads rows", "others need them"),
        ("\n  What: loads\n  rows\n\n  WHY:\n  others\n  wait\n", "loads rows", "others wait"),
        ("why: others need them", None, "others need them"),
        ("Loads rows.\nwhy: needed", "Loads rows.", "needed"),
        ("Note: this is text.", "Note: this is text.", None),
    ],
)
def test_docstrings_say_what_and_why(docstring, what, why):
    assert what_and_why(docstring) == (what, why)


@pytest.mark.parametrize(
    ("docstring", "line"),
    [(None, None), ("", None), ("\n  Nightly load.\n\n  More.", "Nightly load.")],
)
def test_the_first_line_is_the_first_that_says_something(docstring, line):
    assert first_line(docstring) == line
