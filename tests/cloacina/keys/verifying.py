"""Verifies keys as the API does."""

from cloacina.db import AS_PLATFORM, Database
from cloacina.keys import services as keys
from cloacina.keys.models import Principal


def verify(database: Database, plaintext: str) -> Principal:
    """Give whose key this is, and note its use where that is news."""
    with database.unit(AS_PLATFORM) as unit:
        (rows,) = unit.commit(keys.verify_call(plaintext))
    caller, use_is_news = keys.verified(rows)
    if use_is_news:
        with database.unit(AS_PLATFORM) as unit:
            keys.note_use(unit, caller)
    return caller
