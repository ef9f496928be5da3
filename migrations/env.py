"""Runs the revisions of one line on a connection that `cloacina.schema` has prepared."""

from alembic import context
from alembic.util import CommandError

connection = context.config.attributes.get("connection")
if connection is None:
    raise CommandError("revisions are run by: cloacinactl admin migrate")

# the caller owns the transaction and has set role and search_path in it
context.configure(
    connection=connection,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=False,
)
context.run_migrations()
