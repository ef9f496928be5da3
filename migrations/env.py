"""Runs the revisions of one line on a connection that `cloacina.schema` has prepared."""

from alembic import context
from alembic.util import CommandError

version_table = context.config.attributes.get("version_table")
if version_table is None:
    raise CommandError("revisions are run by: cloacinactl admin migrate")

# the caller owns the transaction and has set role and search_path in it
connection = context.config.attributes.get("connection")
context.configure(
    connection=connection,
    # without a connection the SQL is written for this one
    dialect_name="postgresql" if connection is None else None,
    literal_binds=connection is None,
    version_table=version_table,
    transactional_ddl=False,
)
context.run_migrations()
