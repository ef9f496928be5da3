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

QUICK = """
import cloaca

@cloaca.task(retry_attempts=1)
def quick(context):
    context.set("done", True)
    return context
"""

DEFERS = """
import os, pathlib, time
import cloaca

@cloaca.task(retry_attempts=1, timeout_s=4)
def defer(context, handle):
    folder = pathlib.Path(context["folder"])
    with (folder / "begun").open("a") as begun:
        begun.write(f"{os.getpid()}\\n")

    def is_there(name):
        print(f"looks for {name}", flush=True)
        return (folder / name).exists()

    for name in context["files"]:
        handle.defer_until(lambda: is_there(name), poll_interval_ms=50)
        print(f"found {name}")
    context.set("done", True)
    return context
"""

DEFERS_AND_FAILS = """
import cloaca

@cloaca.task(retry_attempts=1)
def defer(context, handle):
    def condition():
        print("looks", flush=True)
        raise LookupError("nothing to look at")

    handle.defer_until(condition, poll_interval_ms=50)
"""
