"""The chaos test: a whole fleet of real processes, disturbed at random while it works.

`python -m tests.chaos --seed N` starts everything, runs a storm, lets things settle, and judges
what the tasks themselves and the tables say. `make chaos` runs it at length, a test runs it short.
"""
