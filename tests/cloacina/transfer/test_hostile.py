"""What a stranger may send: it is refused in words, and leaves nothing behind."""

import io
import json
import tarfile
from collections.abc import Callable
from uuid import uuid4

import pytest

from cloacina.db import Database
from cloacina.dispatch import Dispatcher
from cloacina.embedded import EmbeddedPostgres
from cloacina.tenants.errors import TenantCreationFailed
from cloacina.transfer import limits
from cloacina.transfer.errors import TenantImportFailed
from cloacina.transfer.layout import MANIFEST, SETTINGS
from cloacina.transfer.services import import_tenant
from cloacina.transfer.settings import TenantSettings
from cloacina.transfer.zstd import CompressionParameter, ZstdCompressor, compress
from tests.cloacina.lifecycle.conftest import TRACES
from tests.cloacina.tenants.logins import rows as rows_of_query
from tests.cloacina.transfer.conftest import stream
from tests.cloacina.transfer.tampering import (
    listed,
    packed,
    tarred,
    unpacked,
    with_manifest,
    with_rows,
)

Refuse = Callable[..., str]


@pytest.fixture
def refuse(
    postgres: EmbeddedPostgres, database: Database, dispatcher: Dispatcher, tenant_name: str
) -> Refuse:
    """Give the text that a file is refused with; nothing of it is left."""

    def attempt(whole: bytes, error: type[Exception] = TenantImportFailed) -> str:
        with pytest.raises(error) as caught:
            import_tenant(database, dispatcher, stream(whole), tenant_name)
        for query in TRACES:
            assert rows_of_query(postgres, database, query, tenant_name) == []
        return str(caught.value)

    return attempt


def test_what_is_no_export_is_refused(refuse: Refuse) -> None:
    assert refuse(b"") == "the file is empty"
    assert "no zstd file" in refuse(b"PK\x03\x04" * 100)
    assert "not a tar inside its zstd" in refuse(compress(b"hello" * 1000))
    assert "first member must be manifest.json" in refuse(packed({"readme": b"hello"}))
    assert "first member must be manifest.json" in refuse(
        compress(tarred({MANIFEST: b""}, tarfile.SYMTYPE, MANIFEST))
    )


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_what_is_cut_off_is_refused(refuse: Refuse, exported: bytes, share: float) -> None:
    assert "cut off" in refuse(exported[: int(share * len(exported))])


def test_what_is_damaged_or_goes_on_is_refused(refuse: Refuse, exported: bytes) -> None:
    assert "damaged" in refuse(exported + b"more")
    assert "goes on after its end mark" in refuse(exported + compress(b"more" * 1000))
    middle = len(exported) // 2
    refuse(exported[:middle] + bytes(100) + exported[middle + 100 :])


@pytest.mark.parametrize(
    ("member", "text"),
    [(SETTINGS, b"\n"), ("packages.jsonl", b"demo.tasks"), ("logs.jsonl", b"extracting")],
)
def test_a_member_that_is_not_what_the_manifest_says_is_refused(
    refuse: Refuse, exported: bytes, member: str, text: bytes
) -> None:
    members = unpacked(exported)
    other = members[member].replace(text, text.upper() if text.strip() else b" ", 1)
    assert "has not the hash" in refuse(packed(members | {member: other}))
    assert "has not the size" in refuse(packed(members | {member: members[member] + b"\n"}))
    assert "where its manifest has" in refuse(compress(tarred(members, tarfile.LNKTYPE, member)))
    del members[member]
    refuse(packed(members))


def test_members_that_are_none_of_an_export_are_refused(refuse: Refuse, exported: bytes) -> None:
    members = unpacked(exported)
    assert "which its manifest has not" in refuse(packed(members | {"../../etc/cron.d/x": b"x"}))
    for path in ("../../etc/cron.d/x", "/etc/passwd", "archives/../x.cloacina", "archives/x"):
        names = list(members)
        names.insert(3, path)
        more = {name: members.get(name, b"x") for name in names}
        assert "is no member of an export" in refuse(packed(listed(more)))
    turned = dict([*list(members.items())[:-2], *reversed(list(members.items())[-2:])])
    assert "in their order" in refuse(packed(listed(turned)))
    stray = list(members)
    stray.insert(3, f"archives/{uuid4()}.cloacina")
    strayed = {name: members.get(name, b"x") for name in stray}
    assert "the archive of no package" in refuse(packed(listed(strayed)))


def test_what_only_a_newer_server_knows_is_refused_as_such(refuse: Refuse, exported: bytes) -> None:
    assert "upgrade this server first" in refuse(with_manifest(exported, format=2, members="new"))
    assert "upgrade this server first" in refuse(with_manifest(exported, schema_version="9999"))
    members = unpacked(exported)
    for settings in (
        {"status": "active", "limits": {}, "shoe_size": 44},
        {"status": "active", "limits": {"shoe_size": 44}},
    ):
        members[SETTINGS] = json.dumps(settings).encode()
        assert "does not know: ['shoe_size']" in refuse(packed(listed(members)))


@pytest.mark.parametrize(
    "settings",
    [
        [],
        {},
        {"status": "active"},
        {"status": "deleting", "limits": {}},
        {"status": "active", "limits": {"max_packages": 0}},
        {"status": "active", "limits": {"max_packages": "many"}},
        {"status": "active", "limits": {"max_storage_bytes": 2**63}},
    ],
)
def test_settings_that_no_tenant_may_have_are_refused(settings: object) -> None:
    with pytest.raises(TenantImportFailed, match=r"^settings.json: "):
        TenantSettings.load(json.dumps(settings).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0},
        {"format": "1"},
        {"format": True},
        {"schema_version": None},
        {"schema_version": "0001'; DROP SCHEMA public"},
        {"exported_at": "yesterday"},
        {"tenant": []},
        {"tenant": {"name": 7, "created_at": "2026-01-01T00:00:00+00:00"}},
        {"members": {}},
        {"members": [7]},
        {"members": []},
    ],
)
def test_a_manifest_of_another_shape_is_refused(
    refuse: Refuse, exported: bytes, changes: dict[str, object]
) -> None:
    refuse(with_manifest(exported, **changes))


def test_a_bomb_is_ended_as_soon_as_it_shows(
    refuse: Refuse, exported: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RATIO_FREE_BYTES", 4 * limits.MIB)
    bomb = compress(bytes(64 * limits.MIB))
    # beside a manifest that says nothing of it, after the end of the tar
    assert "unpacks to more than 1,000 times its size" in refuse(exported + bomb * 2)
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 8 * limits.MIB)
    assert "unpacks to more than" in refuse(exported + bomb)
    monkeypatch.setattr(limits, "MAX_FRAMES", 3)
    assert "made of more than 3 zstd frames" in refuse(exported)


def test_a_window_that_takes_much_memory_is_refused(refuse: Refuse, exported: bytes) -> None:
    packer = ZstdCompressor(options={CompressionParameter.window_log: 27})
    plain = tarred(unpacked(exported))
    wide = packer.compress(plain[:1000]) + packer.compress(plain[1000:]) + packer.flush()
    assert "no zstd file" in refuse(wide)


def test_lines_and_members_are_held_to_their_size(
    refuse: Refuse, exported: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = unpacked(exported)
    monkeypatch.setattr(limits, "MAX_LINE_BYTES", limits.MIB)
    long = listed(members | {"schedules.jsonl": b"x" * 2 * limits.MIB})
    assert "a line of more than 1 MiB" in refuse(packed(long))
    endless = listed(members | {"schedules.jsonl": b"{}"})
    assert "its last line has no end" in refuse(packed(endless))
    assert "manifest.json: is larger than" in refuse(
        packed({MANIFEST: bytes(limits.MAX_MANIFEST_BYTES + 1)})
    )
    settings = listed(members | {SETTINGS: b" " * (limits.MAX_SETTINGS_BYTES + 1)})
    assert "settings.json: is larger than" in refuse(packed(settings))


def test_an_archive_is_held_to_what_an_upload_is_held_to(refuse: Refuse, exported: bytes) -> None:
    members = unpacked(exported)
    first, second = [name for name in members if name.startswith("archives/")][:2]
    assert "bzip2" in refuse(packed(listed(members | {first: b"not a package"})))
    swapped = members | {first: members[second], second: members[first]}
    assert "is not that of its package's row" in refuse(packed(listed(swapped)))
    del members[first]
    assert "the archive of the package" in refuse(packed(listed(members)))


@pytest.mark.parametrize(
    ("member", "change", "problem"),
    [
        ("packages", lambda rows: [*rows, rows[-1] | {"upload_order": 999}], "twice"),
        ("packages", lambda rows: rows[:-1], "is the archive of no package"),
        ("packages", lambda rows: rows[0].update(active=True), "uq_packages_active"),
        ("schedules", lambda rows: rows * 2, "pk_schedules"),
        ("executions", lambda rows: rows[0].update(package_id=str(uuid4())), "is missing"),
        ("executions", lambda rows: rows * 2, "pk_workflow_executions"),
        ("executions", lambda rows: rows[:-1], "fk_task_executions"),
        ("executions", lambda rows: rows[0].update(last_event=99), "without gaps"),
        ("tasks", lambda rows: rows[:-1], "has other tasks"),
        ("tasks", lambda rows: rows[0].update(task_id='x"; DROP TABLE packages'), "other tasks"),
        ("tasks", lambda rows: rows[0].update(position=7), "has other tasks"),
        ("tasks", lambda rows: _open(rows).update(status="Failed"), "counts its tasks wrongly"),
        ("tasks", lambda rows: _waiting(rows).update(open_dependencies=2), "waits for others"),
        ("tasks", lambda rows: _waiting(rows).update(status="Ready"), "waits for others"),
        ("events", lambda rows: rows[:-1], "without gaps"),
        ("events", lambda rows: rows[0].update(sequence_num=77), "without gaps"),
        ("logs", lambda rows: rows[0].update(execution_id=str(uuid4())), "fk_task_logs"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(
    refuse: Refuse, exported: bytes, member: str, change: Callable, problem: str
) -> None:
    assert problem in refuse(with_rows(exported, f"{member}.jsonl", change))


def _open(rows):
    return next(row for row in rows if row["status"] == "Ready")


def _waiting(rows):
    return next(row for row in rows if row["status"] == "NotStarted")


@pytest.mark.parametrize(
    "name", ["public", "tenant_public", "postgres", "pg_x", 'a"; DROP', "../a", "a" * 64, "A"]
)
def test_a_name_that_no_tenant_may_have_is_refused_as_at_creation(
    database: Database, dispatcher: Dispatcher, exported: bytes, name: str
) -> None:
    tenant = {"name": name, "description": None, "created_at": "2026-01-01T00:00:00+00:00"}
    with pytest.raises(TenantCreationFailed):
        import_tenant(database, dispatcher, stream(with_manifest(exported, tenant=tenant)))
    with pytest.raises(TenantCreationFailed):
        import_tenant(database, dispatcher, stream(exported), name)


def test_the_name_of_a_tenant_that_is_there_is_refused(
    database: Database, dispatcher: Dispatcher, exported: bytes
) -> None:
    with pytest.raises(TenantCreationFailed, match="is taken"):
        import_tenant(database, dispatcher, io.BytesIO(exported))
