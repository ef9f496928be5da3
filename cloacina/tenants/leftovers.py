"""What hinders PostgreSQL from dropping a tenant's role: found, and taken away.

A tenant's role owns nothing and has rights in its own schema alone, as far as this server goes.
But whoever logs in as it may make large objects and change its own default privileges, and an
operator may have given it more.
"""

from typing import Any

from psycopg import sql
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from cloacina.db import execute_ddl, identifier
from cloacina.tenants import roles

# `pg_identify_object` quotes; a default privilege has no name to revoke by and comes apart
_GRANTS = text("""
SELECT DISTINCT kind, identity, pg_get_userbyid(owner) AS owner
FROM (
    SELECT (pg_identify_object(classid, objid, 0)).type AS kind,
        (pg_identify_object(classid, objid, 0)).identity AS identity,
        CASE classid
            WHEN 'pg_class'::regclass THEN (SELECT relowner FROM pg_class WHERE oid = objid)
            WHEN 'pg_namespace'::regclass THEN (SELECT nspowner FROM pg_namespace WHERE oid = objid)
            WHEN 'pg_proc'::regclass THEN (SELECT proowner FROM pg_proc WHERE oid = objid)
            WHEN 'pg_type'::regclass THEN (SELECT typowner FROM pg_type WHERE oid = objid)
            WHEN 'pg_largeobject'::regclass
                THEN (SELECT lomowner FROM pg_largeobject_metadata WHERE oid = objid)
        END AS owner
    FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND refobjid = :role AND deptype = 'a'
        AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
) found
WHERE owner IS NOT NULL
""")
_DEFAULTS = text("""
SELECT DISTINCT pg_get_userbyid(d.defaclrole) AS owner, n.nspname AS schema, d.defaclobjtype AS kind
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,
    aclexplode(d.defaclacl) a
WHERE a.grantee = :role
""")
_KINDS = {
    "table": "TABLE",
    "view": "TABLE",
    "materialized view": "TABLE",
    "foreign table": "TABLE",
    "sequence": "SEQUENCE",
    "schema": "SCHEMA",
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "type": "TYPE",
    "large object": "LARGE OBJECT",
}
_DEFAULT_KINDS = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "ROUTINES",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
_OID = text("SELECT oid FROM pg_roles WHERE rolname = :role")


def clear(session: Session, role: str) -> None:
    """Revoke what a role was granted in this database, and drop what it owns in it.

    Left is what only others can take away: objects in other databases, and grants on objects of
    owners whom the service may not act as.

    Parameters:
        session: acts as the service, which it does again afterwards.
        role: the tenant's role, which exists.
    """
    oid = {"role": session.scalar(_OID, {"role": role})}
    for default in session.execute(_DEFAULTS, oid).all():
        if _may_act_as(session, default.owner):
            _revoke_default(session, default, role)
    for grant in session.execute(_GRANTS, oid).all():
        if grant.kind in _KINDS and _may_act_as(session, grant.owner):
            _act_as(session, grant.owner)
            execute_ddl(
                session,
                f"REVOKE ALL ON {_KINDS[grant.kind]} {{}} FROM {{}} CASCADE",
                sql.SQL(grant.identity),
                identifier(role),
            )
    _act_as(session, "none")
    # the next writes grants on the database anew
    roles.lock_grants(session)
    # with the role's own default privileges, and the memberships that it gave to others; only the
    # role itself may do this before PostgreSQL 16
    _act_as(session, role)
    execute_ddl(session, "DROP OWNED BY {} CASCADE", identifier(role))
    _act_as(session, "none")


def _revoke_default(session: Session, default: Row[*tuple[Any, ...]], role: str) -> None:
    _act_as(session, default.owner)
    where, names = "", [identifier(default.owner)]
    if default.schema is not None:
        where = " IN SCHEMA {}"
        names.append(identifier(default.schema))
    execute_ddl(
        session,
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}}{where}"
        f" REVOKE ALL ON {_DEFAULT_KINDS[default.kind]} FROM {{}} CASCADE",
        *names,
        identifier(role),
    )


def _may_act_as(session: Session, role: str) -> bool:
    _act_as(session, "none")
    return roles.may_assume(session, role)


def _act_as(session: Session, role: str) -> None:
    session.execute(text("SELECT set_config('role', :role, true)"), {"role": role})
