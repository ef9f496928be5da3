"""ACME's nightly look at its orders."""
