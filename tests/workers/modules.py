"""Modules of tasks that the tests upload."""

CHAIN = """
import cloaca

@cloaca.task()
def one(context):
    context.set("seen", ["one"])
    return context

@cloaca.task(dependencies=["one"])
def two(context):
    context.set("seen", context["seen"] + ["two"])
    return context
"""

WAITS = """
import os, pathlib, time
import cloaca

@cloaca.task(retry_attempts=1)
def wait(context):
    folder = pathlib.Path(context["folder"])
    with (folder / "begun").open("a") as begun:
        begun.write(f"{os.getpid()}\\n")
    while not (folder / "go").exists():
        time.sleep(0.05)
    context.set("done", True)
    (folder / "ended").touch()
    return context
"""
