"""Two lines of Alembic revisions: `platform` for the platform's tables, `tenant` for a tenant's."""
