"""Measures a whole server, beside a peer on the same machine: `python -m bench`."""
