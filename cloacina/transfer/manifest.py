"""The first member of an export: what it is, and what else lies in it."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from cloacina.dag.values import load_json, shown
from cloacina.tenants.versions import NEWEST
from cloacina.transfer import layout, values
from cloacina.transfer.errors import TenantImportFailed

_ARCHIVE: Final = re.compile(r"archives/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.cloacina")
_AFTER: Final = [table.member for table in layout.AFTER_ARCHIVES]
_LONGEST_DESCRIPTION: Final = 10_000


@dataclass(frozen=True)
class Member:
    """A member that follows the manifest.

    Parameters:
        name: its path.
        bytes: its size.
        sha256: its hash, in hexadecimal.
        rows: its lines, of a table.
    """

    name: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What an export says of itself.

    Parameters:
        format: number of its form.
        server_version: of the server that wrote it.
        schema_version: revision of the tenant's tables there.
        exported_at: the moment that it shows, by that server's database.
        tenant_name, description, created_at: the tenant's.
        members: all that follows, in order.
    """

    format: int
    server_version: str
    schema_version: str
    exported_at: datetime
    tenant_name: str
    description: str | None
    created_at: datetime
    members: Sequence[Member]

    def dump(self) -> bytes:
        """Write it as JSON."""
        whole = {
            "format": self.format,
            "server_version": self.server_version,
            "schema_version": self.schema_version,
            "exported_at": values.to_json(self.exported_at),
            "tenant": {
                "name": self.tenant_name,
                "description": self.description,
                "created_at": values.to_json(self.created_at),
            },
            "members": [asdict(member) for member in self.members],
        }
        return json.dumps(whole, indent=1, ensure_ascii=False).encode()

    @classmethod
    def load(cls, data: bytes) -> "Manifest":
        """Read it, from a file that nobody vouches for.

        Raises:
            TenantImportFailed: it is none, or of a server that is newer than this one.
        """
        try:
            found = load_json(data.decode())
            if not isinstance(found, dict):
                raise ValueError("is no JSON object")
            _check_age(found)
            return _read(found)
        except UnicodeDecodeError:
            raise TenantImportFailed(f"{layout.MANIFEST}: is not UTF-8") from None
        except ValueError as error:
            raise TenantImportFailed(f"{layout.MANIFEST}: {error}") from None


def _check_age(found: dict[str, Any]) -> None:
    """Refuse what only a newer server can read, before anything of it is looked at closely."""
    number = _field(found, "format", values.whole(1, values.MOST_INTEGER))
    if number > layout.FORMAT:
        raise TenantImportFailed(
            f"the export has format {number}, and this server knows formats up to {layout.FORMAT}:"
            " upgrade this server first"
        )
    revision = _field(found, "schema_version", values.hexadecimal(4))
    if revision > NEWEST:
        raise TenantImportFailed(
            f"the export's tables have the revision {shown(revision)}, which this server does not"
            " know: upgrade this server first"
        )


def _read(found: dict[str, Any]) -> Manifest:
    tenant = found.get("tenant")
    members = found.get("members")
    if not isinstance(tenant, dict) or not isinstance(members, list):
        raise ValueError("must have an object 'tenant' and a list 'members'")
    description = tenant.get("description")
    manifest = Manifest(
        format=found["format"],
        server_version=_field(found, "server_version", values.text(200)),
        schema_version=found["schema_version"],
        exported_at=_field(found, "exported_at", values.moment),
        tenant_name=_field(tenant, "name", values.text(200)),
        description=None
        if description is None
        else _field(tenant, "description", values.text(_LONGEST_DESCRIPTION)),
        created_at=_field(tenant, "created_at", values.moment),
        members=[_member(item) for item in members],
    )
    _check_order([member.name for member in manifest.members])
    return manifest


def _field(found: dict[str, Any], key: str, read: values.Read) -> Any:
    try:
        return read(found.get(key))
    except ValueError as error:
        raise ValueError(f"{key} {error}") from None


def _member(item: Any) -> Member:
    if not isinstance(item, dict):
        raise ValueError("each member must be an object")
    name = _field(item, "name", values.text(200))
    is_table = name.endswith(".jsonl")
    rows = _field(item, "rows", values.whole(0, values.MOST_SERIAL)) if is_table else None
    return Member(
        name=name,
        bytes=_field(item, "bytes", values.whole(0, values.MOST_SERIAL)),
        sha256=_field(item, "sha256", values.hexadecimal(64)),
        rows=rows,
    )


def _check_order(names: list[str]) -> None:
    archives = names[2 : len(names) - len(_AFTER)]
    if names != [layout.SETTINGS, layout.PACKAGES.member, *archives, *_AFTER] or len(
        set(archives)
    ) < len(archives):
        raise ValueError("must list the members of an export, each once and in their order")
    for name in archives:
        if not _ARCHIVE.fullmatch(name):
            raise ValueError(f"lists {shown(name)}, which is no member of an export")
