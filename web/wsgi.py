"""The application for a WSGI server."""

from web import create_app

app = create_app()
