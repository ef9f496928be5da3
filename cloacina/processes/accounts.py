"""The user that embedded servers run as when we are root, which PostgreSQL refuses to be."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cloacina.errors import ConfigurationError

CANDIDATES = ("cloacina", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user without privileges.

    Parameters:
        name: its name.
        uid: its number.
        gid: its main group.
        groups: all of its groups.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def can_enter(self, folder: Path) -> bool:
        """Say whether the user reaches a folder, by trying: modes do not tell of ACLs."""
        return self.can_run(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])

    def can_run(self, argv: list[str]) -> bool:
        """Say whether a command succeeds as the user."""
        try:
            done = subprocess.run(
                argv,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd="/",
                user=self.uid,
                group=self.gid,
                extra_groups=self.groups,
            )
        except OSError:
            return False
        return done.returncode == 0


def choose_account() -> Account | None:
    """Choose who embedded servers run as.

    Returns:
        The user to change to when we are root; None: we stay who we are.

    Raises:
        ConfigurationError: PostgreSQL cannot run as us, nor as anybody here.
    """
    uid = os.geteuid()
    if uid != 0:
        if not _known(uid):
            raise ConfigurationError(
                f"user id {uid} has no name on this machine, which PostgreSQL needs: "
                "run as a named user, or pass --database-url"
            )
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        groups = tuple(os.getgrouplist(name, entry.pw_gid))
        return Account(name, entry.pw_uid, entry.pw_gid, groups)
    raise ConfigurationError(
        f"PostgreSQL does not run as root and none of the users {', '.join(CANDIDATES)} exists: "
        "create the user cloacina, or pass --database-url"
    )


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
