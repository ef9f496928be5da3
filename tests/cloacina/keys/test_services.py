"""Keys: of each only a hash is stored, and what is taken back is dead at once."""

import hashlib
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import exc, select, text, update

from cloacina.db import Database, after
from cloacina.errors import Unauthorized
from cloacina.keys import services as keys
from cloacina.keys.errors import KeyNotFound
from cloacina.keys.models import ADMIN, READ, ROLES, WRITE, ApiKeyRow
from cloacina.lifecycle.tenants import create_tenant
from cloacina.tenants import services as tenants
from cloacina.tenants.models import Tenant
from tests.cloacina.keys.verifying import verify
from tests.removal import delete_tenant


@pytest.fixture
def public(either_database: Database) -> Tenant:
    with either_database.platform() as session:
        return tenants.find(session, "public")


def issue(database: Database, role: str, tenant: Tenant | None, **more) -> keys.IssuedKey:
    with database.platform() as session:
        return keys.issue(session, "ci", role, tenant, **more)


def age(database: Database, issued: keys.IssuedKey, **moments: float) -> None:
    """Set moments of a key, in seconds from now."""
    values = {name: after(seconds) for name, seconds in moments.items()}
    with database.platform() as session:
        session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == issued.info.id).values(**values),
            execution_options={"synchronize_session": False},
        )


def test_a_key_is_32_random_bytes_behind_its_prefix() -> None:
    made = {keys.generate() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"clk_[A-Za-z0-9_-]{43}", key) for key in made)


def test_a_tenants_key_opens_its_tenant(either_database: Database, public: Tenant) -> None:
    issued = issue(either_database, WRITE, public)
    principal = verify(either_database, issued.plaintext)
    assert principal.tenant == public
    assert principal.key.id == issued.info.id
    assert (principal.key.tenant_name, principal.key.is_admin) == ("public", False)
    assert [principal.has_role(role) for role in ROLES] == [True, True, False]


def test_a_key_of_the_platform_passes_every_check(either_database: Database) -> None:
    principal = verify(either_database, issue(either_database, READ, None).plaintext)
    assert principal.tenant is None
    assert principal.key.is_admin
    assert all(principal.has_role(role) for role in ROLES)


def test_a_role_is_at_least_those_before_it(either_database: Database, public: Tenant) -> None:
    for place, role in enumerate(ROLES):
        principal = verify(either_database, issue(either_database, role, public).plaintext)
        may = [principal.has_role(wanted) for wanted in ROLES]
        assert may == [wanted <= place for wanted in range(len(ROLES))]


@pytest.mark.parametrize("plaintext", ["", "clk_", "nothing", "clk_" + "A" * 43, "ü" * 1000])
def test_what_is_no_key_opens_nothing(either_database: Database, plaintext: str) -> None:
    with pytest.raises(Unauthorized):
        verify(either_database, plaintext)


def test_only_the_hash_of_a_key_is_stored(either_database: Database, public: Tenant) -> None:
    issued = issue(either_database, READ, public)
    with either_database.platform() as session:
        row = session.execute(
            text("SELECT * FROM api_keys WHERE name = 'ci' ORDER BY created_at DESC LIMIT 1")
        ).one()
    assert row.key_hash == hashlib.sha256(issued.plaintext.encode()).hexdigest()
    assert not any(issued.plaintext in str(value) for value in row)
    assert issued.plaintext not in repr(issued)


def test_a_hash_is_no_key(either_database: Database, public: Tenant) -> None:
    issued = issue(either_database, READ, public)
    with pytest.raises(Unauthorized):
        verify(either_database, keys.hash_key(issued.plaintext))


def test_a_revoked_key_is_dead_at_once_and_cannot_be_revoked_again(
    either_database: Database, public: Tenant
) -> None:
    issued = issue(either_database, WRITE, public)
    with either_database.platform() as session:
        keys.revoke(session, issued.info.id, public)
    with pytest.raises(Unauthorized):
        verify(either_database, issued.plaintext)
    for tenant in (public, None):
        with pytest.raises(KeyNotFound), either_database.platform() as session:
            keys.revoke(session, issued.info.id, tenant)


def test_a_tenant_cannot_revoke_the_platforms_key_nor_one_that_is_not_there(
    either_database: Database, public: Tenant
) -> None:
    issued = issue(either_database, ADMIN, None)
    for key_id in (issued.info.id, uuid4()):
        with pytest.raises(KeyNotFound), either_database.platform() as session:
            keys.revoke(session, key_id, public)
    assert verify(either_database, issued.plaintext).key.is_admin


def test_a_key_ends_by_itself(either_database: Database, public: Tenant) -> None:
    issued = issue(either_database, READ, public, expires_in_s=60)
    assert issued.info.expires_at == pytest.approx(
        issued.info.created_at + timedelta(seconds=60), abs=timedelta(milliseconds=2)
    )
    verify(either_database, issued.plaintext)
    age(either_database, issued, expires_at=-0.01)
    with pytest.raises(Unauthorized):
        verify(either_database, issued.plaintext)


def test_its_last_use_is_noted_once_a_minute(either_database: Database, public: Tenant) -> None:
    issued = issue(either_database, READ, public)

    def last_used():
        with either_database.platform() as session:
            return session.scalar(
                select(ApiKeyRow.last_used_at).where(ApiKeyRow.id == issued.info.id)
            )

    assert last_used() is None
    verify(either_database, issued.plaintext)
    first = last_used()
    assert first is not None
    age(either_database, issued, last_used_at=-59)
    recent = last_used()
    verify(either_database, issued.plaintext)
    assert last_used() == recent
    age(either_database, issued, last_used_at=-61)
    verify(either_database, issued.plaintext)
    assert last_used() >= first


def test_one_text_is_one_live_key(either_database: Database, public: Tenant) -> None:
    first = issue(either_database, WRITE, public, plaintext="given from outside")
    with pytest.raises(exc.IntegrityError):
        issue(either_database, ADMIN, None, plaintext="given from outside")
    with either_database.platform() as session:
        keys.revoke(session, first.info.id, None)
    again = issue(either_database, ADMIN, None, plaintext="given from outside")
    assert verify(either_database, "given from outside").key.id == again.info.id
    with either_database.platform() as session:
        keys.revoke(session, again.info.id, None)


@pytest.mark.parametrize("wrong", ["role = 'owner'", "is_admin = NOT is_admin", "tenant_id = NULL"])
def test_a_row_that_is_neither_the_platforms_nor_a_tenants_cannot_be_stored(
    either_database: Database, public: Tenant, wrong: str
) -> None:
    issue(either_database, READ, public)
    with pytest.raises(exc.IntegrityError), either_database.platform() as session:
        session.execute(text(f"UPDATE api_keys SET {wrong} WHERE tenant_id IS NOT NULL"))  # noqa: S608


def test_keys_are_listed_by_tenant_the_oldest_first_and_revoked_ones_too(
    database: Database, tenant_name: str
) -> None:
    acme = create_tenant(database, tenant_name)
    issued = [issue(database, role, acme) for role in ROLES]
    platforms = issue(database, ADMIN, None)
    with database.platform() as session:
        keys.revoke(session, issued[0].info.id, acme)
        listed = keys.list_keys(session, acme)
        everybody = keys.list_keys(session, None)
    assert [key.id for key in listed] == [key.info.id for key in issued]
    assert [key.revoked for key in listed] == [True, False, False]
    assert {platforms.info.id, *(key.id for key in listed)} <= {key.id for key in everybody}


def test_one_tenant_cannot_revoke_anothers_key(database: Database, tenant_name: str) -> None:
    acme = create_tenant(database, tenant_name)
    globex = create_tenant(database, f"{tenant_name}_2")
    issued = issue(database, WRITE, globex)
    with pytest.raises(KeyNotFound), database.platform() as session:
        keys.revoke(session, issued.info.id, acme)
    assert verify(database, issued.plaintext).tenant == globex


def test_the_keys_of_a_deleted_tenant_stay_as_rows_and_open_nothing(
    database: Database, tenant_name: str
) -> None:
    acme = create_tenant(database, tenant_name)
    live, revoked = issue(database, WRITE, acme), issue(database, WRITE, acme)
    with database.platform() as session:
        keys.revoke(session, revoked.info.id, acme)

    assert delete_tenant(database, tenant_name).revoked_keys == 1

    reborn = create_tenant(database, tenant_name)
    for issued in (live, revoked):
        with pytest.raises(Unauthorized):
            verify(database, issued.plaintext)
    with database.platform() as session:
        assert keys.list_keys(session, reborn) == []
        old = [key for key in keys.list_keys(session, None) if key.tenant_name == tenant_name]
    assert [key.revoked for key in old] == [True, True]


def test_a_live_key_of_a_tenant_that_is_gone_opens_nothing(
    database: Database, tenant_name: str
) -> None:
    # as though it had been issued while the tenant was being deleted
    acme = create_tenant(database, tenant_name)
    delete_tenant(database, tenant_name)
    issued = issue(database, ADMIN, acme)
    with pytest.raises(Unauthorized):
        verify(database, issued.plaintext)
