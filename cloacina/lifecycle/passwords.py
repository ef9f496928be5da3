"""Gives tenants' roles new passwords, for direct logins."""

import secrets
from dataclasses import dataclass, field

from sqlalchemy import exc

from cloacina.audit import services as audit
from cloacina.db import Database, first_line
from cloacina.errors import ConfigurationError
from cloacina.tenants import roles
from cloacina.tenants import services as tenants
from cloacina.tenants.errors import TenantHasNoLogin
from cloacina.tenants.models import Tenant

_PASSWORD_BYTES = 32


@dataclass(frozen=True)
class Login:
    """What a tenant logs in to the database with.

    Parameters:
        tenant: the tenant's name.
        username: its role.
        password: it exists here and nowhere else.
    """

    tenant: str
    username: str
    password: str = field(repr=False)


def rotate_password(database: Database, name: str) -> Login:
    """Give a tenant's role a new password, and end the sessions that began with an older one.

    Should this end halfway, it is to be done again: nobody knows the password then.

    Parameters:
        database: the database.
        name: the tenant's.

    Returns:
        What it logs in with from now on.

    Raises:
        TenantNotFound: there is none, or it is being deleted.
        TenantHasNoLogin: it is `public`, or this is SQLite.
        ConfigurationError: the service may not change this role.
    """
    if database.is_sqlite:
        raise TenantHasNoLogin("SQLite has no roles: nobody logs in to it, with a password or not")
    with database.platform() as session:
        tenant = tenants.find(session, name)
        if not roles.may_log_in(session, tenant.role):
            raise TenantHasNoLogin(
                f"tenant '{name}' has no login of its own: its role '{tenant.role}' is NOLOGIN"
            )
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        verifier = roles.scram_verifier(session, tenant.role, password)
        try:
            roles.set_password(session, tenant.role, verifier)
        except exc.DBAPIError as error:
            # its own text would hold the statement, and with it the hash
            raise ConfigurationError(
                f"the password of role '{tenant.role}' cannot be changed: {first_line(error)}"
            ) from None
        audit.record(session, "tenant.rotate_db_password", tenant, subject=tenant.role)
    _end_sessions(database, tenant)
    return Login(name, tenant.role, password)


def _end_sessions(database: Database, tenant: Tenant) -> None:
    # once the old password is refused, so that nobody comes back with it
    with database.platform() as session:
        roles.end_sessions(session, tenant.role)
