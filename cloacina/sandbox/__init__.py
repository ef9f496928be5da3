"""Runs tenants' code in processes of its own, which hold no credential.

A worker's host forks children and keeps them between tasks; a slot borrows one, for one version of
one tenant's package, and runs tasks in it. `cloaca/_host.py`, `_nanny.py` and `_child.py` are those
processes; a child starts with an environment built from nothing, in a scratch folder of its own.
"""

from cloacina.sandbox.attempt import Answer, Attempt, Deferred, Resumable
from cloacina.sandbox.code import Code
from cloacina.sandbox.host import Host
from cloacina.sandbox.pool import Sandbox

__all__ = ["Answer", "Attempt", "Code", "Deferred", "Host", "Resumable", "Sandbox"]
