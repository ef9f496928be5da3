"""Packages as they are stored and built, without running their code."""

import io
from typing import Any
from uuid import UUID

from cloacina.db import Database
from cloacina.packages import builds, services
from cloacina.packages.archive import inspect_archive
from cloacina.packages.services import Package
from cloacina.tenants.models import Tenant
from tests.cloacina.packages.archives import demo_archive

DEFINITION: dict[str, Any] = {
    "description": "from the code",
    "tasks": [{"id": "only", "dependencies": []}],
    "params": [],
    "triggers": [],
}


def archive(
    name: str = "demo",
    version: str = "1.0.0",
    *,
    workflow: str = "",
    content: str | bytes = "",
    description: str | None = None,
) -> io.BytesIO:
    """Pack a package; `content` is what makes its bytes differ."""
    manifest = (
        f'[package]\nname = "{name}"\nversion = "{version}"\n\n[metadata]\nlanguage = "python"\n'
        f'workflow_name = "{workflow or name + "-flow"}"\nentry_module = "demo.tasks"\n'
    )
    if description is not None:
        manifest += f'description = "{description}"\n'
    files: dict[str, str | bytes] = {
        "package.toml": manifest,
        "workflow/demo/__init__.py": "",
        "workflow/demo/tasks.py": "import cloaca\n",
        "workflow/demo/content": content,
    }
    return demo_archive(files, f"{name}-{version}")


def upload(database: Database, tenant: Tenant, packed: io.BytesIO) -> UUID:
    """Store an archive, as an upload does."""
    packed.seek(0)
    info = inspect_archive(packed)
    packed.seek(0)
    with database.tenant(tenant) as session:
        return services.store(session, info, packed)


def claim(database: Database, tenant: Tenant) -> builds.Build:
    """Claim the next build, of which there is one."""
    with database.tenant(tenant) as session:
        build = builds.claim_next(session)
    assert build is not None
    return build


def succeed(database: Database, tenant: Tenant, build: builds.Build, **changes: Any) -> None:
    """Finish a build well."""
    with database.tenant(tenant) as session:
        builds.succeed(session, build, DEFINITION | changes, "0123456789abcdef")


def fail(database: Database, tenant: Tenant, build: builds.Build, error: str = "broken") -> None:
    """Finish a build badly."""
    with database.tenant(tenant) as session:
        builds.fail(session, build, error)


def build_next(database: Database, tenant: Tenant, **changes: Any) -> Package:
    """Claim the next build and finish it well."""
    build = claim(database, tenant)
    succeed(database, tenant, build, **changes)
    return get(database, tenant, build.package.id)


def built(database: Database, tenant: Tenant, packed: io.BytesIO, **changes: Any) -> Package:
    """Upload and build."""
    upload(database, tenant, packed)
    return build_next(database, tenant, **changes)


def get(database: Database, tenant: Tenant, package_id: UUID) -> Package:
    """Give a package in whatever state."""
    with database.tenant(tenant) as session:
        return services.get(session, package_id)


def active_versions(database: Database, tenant: Tenant) -> dict[str, str]:
    """Give the version of each active package, by its name."""
    with database.tenant(tenant) as session:
        return {each.package_name: each.version for each in services.list_active(session)}
