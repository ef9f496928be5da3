"""What can go wrong with moving a tenant."""

from cloacina.errors import Conflict, InvalidInput


class TenantExportFailed(Conflict):
    """The tenant has more than an export can hold."""

    code = "tenant_export_failed"


class TenantImportFailed(InvalidInput):
    """The file is no export that this server can take; nothing was made."""

    code = "tenant_import_failed"
