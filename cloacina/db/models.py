"""The two families of tables: the platform's, and those that every tenant has in its own schema."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# constraints need names of their own, or a migration cannot drop them on both databases
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class PlatformBase(DeclarativeBase):
    """A table of the platform, in the schema `public`."""

    metadata = MetaData(naming_convention=_NAMING)


class TenantBase(DeclarativeBase):
    """A table that every tenant has; the transaction's search_path says whose it is."""

    metadata = MetaData(naming_convention=_NAMING)
