"""The HTTP API: `create_app` makes it, and importing it does nothing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from cloacina.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Make the application. It connects to nothing yet.

    Parameters:
        settings: of this process; None: as `load_settings` finds them.

    Returns:
        The WSGI application.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    from web.factory import make_app

    return make_app(settings)
