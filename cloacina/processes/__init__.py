"""Processes of ours: they end with whoever started them, and may run as another user."""

from cloacina.processes.spawn import die_with_parent, end, spawn, wait_until, watch

__all__ = ["die_with_parent", "end", "spawn", "wait_until", "watch"]
