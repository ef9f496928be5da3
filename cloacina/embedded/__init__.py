"""A PostgreSQL and a Valkey that belong to this program: started with it, and gone with it."""

from cloacina.embedded.postgres import EmbeddedPostgres, url_of_running
from cloacina.embedded.programs import find_binaries, find_older_binaries
from cloacina.embedded.server import temporary_data_root
from cloacina.embedded.valkey import EmbeddedValkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "find_binaries",
    "find_older_binaries",
    "temporary_data_root",
    "url_of_running",
]
