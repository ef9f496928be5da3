"""Runs tenants' code in processes of its own, which hold no credential.

A child process serves one version of one tenant's package. It starts with an environment built from
nothing, in a scratch folder of its own, and talks over one socket: `cloaca/_child.py` is its end.
"""
