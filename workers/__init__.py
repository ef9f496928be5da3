"""Celery workers and the scheduler.

A worker's main process follows the tenants' queues and forks slots; a slot takes a hint, runs the
tenant's tasks for a time slice, and takes the next. The scheduler sends hints to tenants that are
due.
"""
