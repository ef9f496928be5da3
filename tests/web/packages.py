"""Packages as the API's tests need them: real archives, built without a worker."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloacina.db import Database
from cloacina.packages import builds
from cloacina.packages.pack import pack
from cloacina.tenants.models import Tenant

if TYPE_CHECKING:
    from tests.web.conftest import Caller

TASKS = ("extract", "transform", "load")
RETRY = {
    "max_attempts": 3,
    "initial_delay_s": 1.0,
    "max_delay_s": 60.0,
    "backoff": "exponential",
    "multiplier": 2.0,
    "jitter": True,
}


def definition(*params: dict[str, Any]) -> dict[str, Any]:
    """The definition of a chain of tasks."""
    return {
        "description": None,
        "tasks": [
            {
                "id": name,
                "dependencies": [before] if before else [],
                "trigger_rules": {"type": "Always"},
                "timeout_s": None,
                "retry": RETRY,
                "description": f"{name}s rows",
                "doc_what": None,
                "doc_why": None,
            }
            for before, name in zip((None, *TASKS), TASKS, strict=False)
        ],
        "params": list(params),
        "triggers": [],
    }


def archive(folder: Path, name: str, version: str = "1.0.0", comment: str = "") -> bytes:
    """Pack a small package whose workflow is called `<name>-flow`."""
    source = folder / f"{name}-{version}-source"
    module = name.replace("-", "_")
    (source / "workflow" / module).mkdir(parents=True)
    (source / "package.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "{version}"\n\n'
        f'[metadata]\nworkflow_name = "{name}-flow"\ndescription = "moves rows"\n'
    )
    (source / "workflow" / module / "__init__.py").touch()
    (source / "workflow" / module / "tasks.py").write_text(f"import cloaca\n# {comment}\n")
    return pack(source, folder).read_bytes()


def upload(caller: "Caller", tenant: Tenant, content: bytes) -> Any:
    """Upload an archive and give the answer."""
    return caller.post(
        f"/v1/tenants/{tenant.name}/workflows",
        data={"file": (io.BytesIO(content), "package.cloacina")},
    )


def build(database: Database, tenant: Tenant, defined: dict[str, Any] | None = None) -> None:
    """Do what a worker does with a tenant's uploads; without a definition the builds fail."""
    with database.tenant(tenant) as session:
        while claimed := builds.claim_next(session):
            if defined is None:
                builds.fail(session, claimed, "ImportError: no module named 'pandas'")
            else:
                builds.succeed(session, claimed, defined, "0123456789abcdef")
