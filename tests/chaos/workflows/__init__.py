"""Modules of the packages that the chaos test packs and uploads; each becomes `<name>/tasks.py`."""
