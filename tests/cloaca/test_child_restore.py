"""What a task changes in its process, the next one finds as it was after the package's import."""

import pytest

STATE = """
    import decimal, os, signal, sys, warnings
    import cloaca

    os.environ["SET_BY"] = "the package"
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def state():
        umask = os.umask(0)
        os.umask(umask)
        return {
            "cwd": os.getcwd(),
            "environ": dict(os.environ),
            "umask": umask,
            "path": sys.path,
            "recursion": sys.getrecursionlimit(),
            "precision": decimal.getcontext().prec,
            "signals": [str(signal.getsignal(n)) for n in (signal.SIGUSR1, signal.SIGTERM)],
            "blocked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
            "timer": signal.getitimer(signal.ITIMER_REAL)[0],
            "stdout": sys.stdout is sys.__stdout__,
        }

    @cloaca.task()
    def look(context):
        return cloaca.Context(state())

    @cloaca.task()
    def job(context):
        CHANGE
        return cloaca.Context(state())
"""


def look(loaded, change):
    """Give the state before a task that makes a change, at its end, and after it."""
    child = loaded(STATE.replace("CHANGE", change))
    return child.run("look"), child.run("job"), child.run("look")


@pytest.mark.parametrize(
    "change",
    [
        "os.chdir('/')",
        "os.environ['X'] = '1'; os.environ['SET_BY'] = 'the task'",
        "os.environ.clear()",
        "os.environ = {'X': '1'}",
        "os.umask(0o77 if os.umask(0) != 0o77 else 0o22)",
        "sys.path.insert(0, '/x')",
        "sys.path = ['/x']",
        "sys.setrecursionlimit(500)",
        "decimal.getcontext().prec = 3",
        "decimal.setcontext(decimal.Context(prec=4))",
        "signal.signal(signal.SIGUSR1, lambda *_: None)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
        "signal.setitimer(signal.ITIMER_REAL, 100)",
        "sys.stdout = object()",
    ],
)
def test_a_change_does_not_reach_the_next_task(loaded, change):
    before, changed, after = look(loaded, change)
    timer = changed.pop("timer")
    assert timer or changed != {key: before[key] for key in changed}
    assert after == before
    assert after["environ"]["SET_BY"] == "the package"


def test_an_alarm_that_a_task_leaves_rings_in_no_other(loaded):
    child = loaded("""
        import signal, time
        import cloaca

        def ring(*_):
            raise RuntimeError("the alarm")

        @cloaca.task()
        def sets(context):
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.001)

        @cloaca.task()
        def waits(context):
            time.sleep(0.2)
            return cloaca.Context({"rang": False})
    """)
    child.run("sets")
    assert child.run("waits") == {"rang": False}
