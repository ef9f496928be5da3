"""Moves a tenant: writes all that it has into one file, and makes a tenant of such a file."""
