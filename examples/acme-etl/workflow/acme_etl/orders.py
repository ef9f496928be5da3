"""Reading and checking the rows of an order file."""

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

COUNTRIES = {"AT", "CH", "DE", "ES", "GB", "NL", "NO", "US"}


class BadRow(ValueError):
    """A row that must not be counted; its text is the reason, one of a few."""


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read an order file as it is: every value is a text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parse_row(row: dict[str, str]) -> dict[str, str | int]:
    """Make an order of a row, its amount in cents.

    Raises:
        BadRow: a value is missing or wrong.
    """
    if not row["customer"]:
        raise BadRow("no customer")
    if row["country"] not in COUNTRIES:
        raise BadRow("unknown country")
    return {
        "order_id": row["order_id"],
        "day": _day(row["ordered_on"]),
        "customer": row["customer"],
        "country": row["country"],
        "cents": _quantity(row["quantity"]) * _cents(row["unit_price"]),
    }


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadRow("bad date") from None


def _quantity(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise BadRow("bad quantity")
    return int(text)


def _cents(text: str) -> int:
    try:
        cents = Decimal(text) * 100
    except InvalidOperation:
        raise BadRow("bad price") from None
    if cents < 0 or cents != int(cents):
        raise BadRow("bad price")
    return int(cents)
