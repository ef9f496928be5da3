"""Builds of packages: each is claimed with a lease and a token, as tasks are."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from cloacina.db import after, now, storable
from cloacina.packages.errors import InvalidPackage
from cloacina.packages.models import BUILDING, FAILED, PENDING, SUCCESS, PackageRow
from cloacina.packages.services import Package, package_value

BUILD_LEASE_S = 120
"""Seconds; more than unpacking and importing may take together, so it is never renewed."""

_LONGEST_ERROR = 60_000
_LONGEST_DESCRIPTION = 10_000


@dataclass(frozen=True)
class Build:
    """The right to build a package."""

    package: Package
    token: UUID


def claim_next(session: Session) -> Build | None:
    """Claim the earliest upload that is not built, or whose builder is gone.

    Parameters:
        session: acts as the tenant.
    """
    row = session.scalars(
        select(PackageRow)
        .where(
            PackageRow.deleted_at.is_(None),
            or_(
                PackageRow.build_status == PENDING,
                and_(PackageRow.build_status == BUILDING, PackageRow.build_lease_until < now()),
            ),
        )
        .order_by(PackageRow.upload_order)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    row.build_status = BUILDING
    row.build_token = uuid4()
    row.build_lease_until = after(BUILD_LEASE_S)
    session.flush()
    return Build(package_value(row), row.build_token)


def is_any_open(session: Session) -> bool:
    """Say whether an upload is not built yet, or somebody is just building it.

    Parameters:
        session: acts as the tenant.
    """
    found = select(PackageRow.id).where(
        PackageRow.deleted_at.is_(None), PackageRow.build_status.in_((PENDING, BUILDING))
    )
    return session.scalar(select(found.exists())) is True


def succeed(
    session: Session, build: Build, definition: dict[str, Any], workflow_version: str
) -> bool:
    """Store what a build found, and make the package active unless a later upload is.

    Nothing is stored when the build's claim is lost or the package is deleted by now.

    Parameters:
        session: acts as the tenant.
        build: the build.
        definition: the workflow as its code declares it.
        workflow_version: of the tasks and their source.

    Returns:
        Whether it was stored.

    Raises:
        InvalidPackage: another active package has a workflow of this name; the transaction is lost.
    """
    _lock_namesakes(session, build.package)
    row = _mine(session, build)
    if row is None:
        return False
    active = session.scalar(
        select(PackageRow).where(PackageRow.package_name == row.package_name, PackageRow.active)
    )
    row.build_status = SUCCESS
    row.build_error = row.build_token = row.build_lease_until = None
    row.definition = json.dumps(definition)
    row.workflow_version = workflow_version
    description = definition.get("description")
    if row.description is None and description is not None:
        row.description = storable(description, _LONGEST_DESCRIPTION)
    if active is None:
        _activate(session, row)
    elif active.upload_order < row.upload_order:
        # a pause is the workflow's, not the version's
        row.paused = active.paused
        active.active = False
        session.flush()
        _activate(session, row)
    return True


def _lock_namesakes(session: Session, package: Package) -> None:
    """Have builds that want the same name end one after the other; all lock in one order."""
    session.execute(
        select(PackageRow.id)
        .where(
            or_(
                PackageRow.package_name == package.package_name,
                PackageRow.workflow_name == package.workflow_name,
            ),
            or_(PackageRow.active, PackageRow.build_status == BUILDING),
        )
        .order_by(PackageRow.upload_order)
        .with_for_update()
    )


def _activate(session: Session, row: PackageRow) -> None:
    other = session.scalar(
        select(PackageRow.package_name).where(
            PackageRow.workflow_name == row.workflow_name,
            PackageRow.package_name != row.package_name,
            PackageRow.active,
        )
    )
    if other is not None:
        raise InvalidPackage(
            f"package.toml: the workflow name '{row.workflow_name}' is taken by the package"
            f" '{other}'; choose another"
        )
    row.active = True
    session.flush()


def fail(session: Session, build: Build, error: str) -> bool:
    """Store why a build failed; the version that was active stays so.

    Parameters:
        session: acts as the tenant.
        build: the build.
        error: why, for people.

    Returns:
        Whether it was stored.
    """
    row = _mine(session, build)
    if row is None:
        return False
    row.build_status = FAILED
    row.build_error = storable(error, _LONGEST_ERROR)
    row.build_token = row.build_lease_until = None
    session.flush()
    return True


def _mine(session: Session, build: Build) -> PackageRow | None:
    return session.scalar(
        select(PackageRow)
        .where(PackageRow.id == build.package.id, PackageRow.build_token == build.token)
        .with_for_update()
    )
