"""Globex's monthly billing."""
