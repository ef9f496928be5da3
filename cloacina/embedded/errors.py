"""What can go wrong with the embedded servers."""

from cloacina.errors import CloacinaError, ConfigurationError


class EmbeddedServerFailed(CloacinaError):
    """An embedded server did not start."""

    code = "embedded_server_failed"


class AlreadyRunning(ConfigurationError):
    """Another process uses this data folder."""

    code = "already_running"
