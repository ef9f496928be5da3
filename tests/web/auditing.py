"""What the tests of the audit log ask of the application."""

from itertools import count

from flask import Flask

_numbers = count(1)


def address() -> str:
    """Give an address that no test has had: what comes from one address in a flood is thinned."""
    number = next(_numbers)
    return f"198.51.{number // 250}.{number % 250 + 1}"


def changing_routes(app: Flask) -> dict[str, tuple[str, str]]:
    """Give method and pattern of each route that changes something, by its endpoint."""
    return {
        rule.endpoint: (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method not in {"GET", "HEAD", "OPTIONS"}
    }
