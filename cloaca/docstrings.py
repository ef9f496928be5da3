"""What authors say about their code in docstrings."""

from __future__ import annotations


def what_and_why(docstring: str | None) -> tuple[str | None, str | None]:
    """Split a docstring into what a task does and why.

    A line that begins with `what:` or `why:`, in any case, begins that part. Text before the first
    marker says what.

    Parameters:
        docstring: of the task's function.

    Returns:
        Each part as one line, or None when there is nothing in it.
    """
    parts: dict[str, list[str]] = {"what": [], "why": []}
    current = "what"
    for line in (docstring or "").splitlines():
        text = line.strip()
        marker, colon, rest = text.partition(":")
        if colon and marker.lower() in parts:
            current, text = marker.lower(), rest.strip()
        if text:
            parts[current].append(text)
    return " ".join(parts["what"]) or None, " ".join(parts["why"]) or None


def first_line(docstring: str | None) -> str | None:
    """Give the first line of a docstring that says something."""
    return next((line.strip() for line in (docstring or "").splitlines() if line.strip()), None)
