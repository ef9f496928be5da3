"""What the service's role may do in its database: seen to at each start, or said what it wants."""

import logging
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from cloacina.db import Database, execute_ddl, identifier
from cloacina.errors import ConfigurationError
from cloacina.tenants import roles

log = logging.getLogger(__name__)

_SERVICE = text(
    "SELECT rolsuper AS is_superuser, rolinherit AS inherits FROM pg_roles"
    " WHERE rolname = current_user"
)
_RIGHTS = text(
    "SELECT has_database_privilege('public', current_database(), 'CONNECT') AS anyone_connects,"
    " has_database_privilege(:owner, current_database(), 'CREATE') AS owner_creates_schemas,"
    " has_schema_privilege('public', oid, 'USAGE, CREATE') AS anyone_uses_public,"
    " has_schema_privilege(:owner, oid, 'CREATE') AS owner_creates_tables,"
    " has_schema_privilege(oid, 'USAGE') AS service_uses_tables,"
    " pg_get_userbyid(nspowner) AS schemas_owner,"
    " pg_has_role(nspowner, 'USAGE') AND pg_get_userbyid(nspowner) <> :owner"
    " AS service_drops_tables,"
    " pg_has_role(nspowner, 'MEMBER') OR nspowner = 'pg_database_owner'::regrole AS is_ours"
    " FROM pg_namespace WHERE nspname = 'public'"
)


def ensure_rights(session: Session, database: Database) -> None:
    """Have the role that owns schemas and tables, let it create them, and shut others out.

    Parameters:
        session: acts as the platform, on PostgreSQL.
        database: the database.

    Raises:
        ConfigurationError: only an administrator can do what is missing; the text says what to run.
        ProgrammingError: the service lacks a right, see `lacks_rights`.
    """
    _check_service(session, database)
    owner = identifier(database.owner_role)
    if not roles.role_exists(session, database.owner_role):
        execute_ddl(session, "CREATE ROLE {} NOLOGIN NOINHERIT", owner)
        roles.grant_membership(session, database.owner_role)
    elif not roles.may_assume(session, database.owner_role):
        raise _refusal(
            f"the role '{database.owner_role}' exists and is not this service's",
            f'GRANT "{database.owner_role}" TO "{database.service_role}"'
            f"{roles.membership_options(session)};",
        )
    rights = session.execute(_RIGHTS, {"owner": database.owner_role}).one()
    name = identifier(str(database.engine.url.database))
    if rights.anyone_connects:
        execute_ddl(session, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
    if not rights.owner_creates_schemas:
        execute_ddl(session, "GRANT CREATE ON DATABASE {} TO {}", name, owner)
    _ensure_schema_public(session, database, rights)


def _check_service(session: Session, database: Database) -> None:
    service = session.execute(_SERVICE).one()
    if service.is_superuser:
        log.warning(
            "the role '%s' is a superuser, whom nothing keeps out of a tenant's tables:"
            " use a plain one that owns the database",
            database.service_role,
        )
    elif service.inherits and not roles.has_options_of_membership(session):
        raise _refusal(
            f"the role '{database.service_role}' would have all tenants' rights all the time",
            f'ALTER ROLE "{database.service_role}" NOINHERIT;',
        )


def _ensure_schema_public(
    session: Session, database: Database, rights: Row[*tuple[Any, ...]]
) -> None:
    owner, service = identifier(database.owner_role), identifier(database.service_role)
    schemas_owner = rights.schemas_owner
    if rights.service_drops_tables:
        # whoever owns the database is, from 16 on, always one with the owner of this schema, who
        # may drop each table in it
        execute_ddl(session, "ALTER SCHEMA public OWNER TO {}", owner)
        schemas_owner = database.owner_role
    elif (
        rights.owner_creates_tables and rights.service_uses_tables and not rights.anyone_uses_public
    ):
        return
    if not rights.is_ours:
        # as PostgreSQL 14 has it, and databases that were brought over from it
        raise _refusal(
            "the schema 'public' is open to every role and is not the database's owner's",
            "ALTER SCHEMA public OWNER TO pg_database_owner;"
            " REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        )
    # the owner is, from 15 on, a role that whoever owns the database belongs to, and whose rights
    # a NOINHERIT role has only while it assumes it
    execute_ddl(session, "SET LOCAL ROLE {}", identifier(schemas_owner))
    execute_ddl(session, "GRANT USAGE, CREATE ON SCHEMA public TO {}", owner)
    execute_ddl(session, "GRANT USAGE ON SCHEMA public TO {}", service)
    execute_ddl(session, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    database.act_as_platform(session)


def lacks_rights(database: Database) -> ConfigurationError:
    """Give the error for a service's role that is refused what it needs."""
    role, name = database.service_role, database.engine.url.database
    return _refusal(
        f"the role '{role}' may not prepare the database '{name}'",
        f'ALTER ROLE "{role}" CREATEROLE NOINHERIT; ALTER DATABASE "{name}" OWNER TO "{role}";',
    )


def _refusal(what: str, statements: str) -> ConfigurationError:
    return ConfigurationError(f"{what}; let an administrator run: {statements}")
