"""What a child runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Code:
    """A version of a tenant's package, unpacked.

    Parameters:
        tenant_id, content_hash: what a child is kept for; it never serves another.
        tenant, package, workflow: names that the code may read.
        entry_module: what is imported.
        paths: what leads `sys.path`.
    """

    tenant_id: UUID
    content_hash: str
    tenant: str
    package: str
    workflow: str
    entry_module: str
    paths: tuple[Path, ...]

    def load_request(self) -> dict[str, Any]:
        """Ask a child to import it."""
        return {
            "op": "load",
            "tenant": self.tenant,
            "package": self.package,
            "workflow": self.workflow,
            "entry_module": self.entry_module,
            "paths": [str(path) for path in self.paths],
        }
