"""A package whose tasks behave badly, each in its own way; the context says which one runs."""

BADLY = '''
import math, os, pathlib, signal, sys, time
import cloaca


def declared(function, **options):
    name = function.__name__
    rule = cloaca.context_value("how", "Equals", name)
    return cloaca.task(id=name, trigger_rules=rule, **options)(function)


def once(function):
    return declared(function, retry_attempts=1, timeout_s=20)


def twice(function):
    return declared(
        function, retry_attempts=2, retry_backoff="fixed", retry_delay_ms=1, retry_jitter=False,
        timeout_s=20,
    )


def in_a_second(function):
    return declared(function, retry_attempts=1, timeout_s=1)


def tell(context):
    """Say which process this is."""
    with open(context["pids"], "a") as file:
        file.write(f"{os.getpid()}\\n")


def wait_for(context, count):
    pathlib.Path(context["pids"]).touch()
    while len(pathlib.Path(context["pids"]).read_text().split()) < count:
        time.sleep(0.01)


def leave_running(context, how=lambda: None):
    if not os.fork():
        how()
        tell(context)
        time.sleep(1000)
        os._exit(0)


# what a context cannot hold

@once
def puts_out_a_number_that_is_none(context):
    return cloaca.Context({"nan": math.nan, "inf": [-math.inf]})

@twice
def forges_a_number_that_is_none(context):
    context._data["nan"] = math.nan
    return context

@once
def puts_out_bytes(context):
    context.set("raw", b"\\xff")

@twice
def puts_out_10_mib(context):
    context.set("text", "x" * 10 * 1024 * 1024)
    return context

def nested(levels):
    value = []
    for _ in range(levels - 2):
        value = [value]
    return value

@once
def puts_out_10_000_levels(context):
    context.set("deep", nested(10_000))

@twice
def puts_out_300_levels(context):
    context.set("deep", nested(300))
    return context

@once
def forges_10_000_levels(context):
    context._data["deep"] = nested(10_000)
    return context

@once
def puts_out_what_contains_itself(context):
    value = []
    value.append(value)
    context.set("deep", value)

@once
def returns_a_text(context):
    return "done"

@once
def returns_a_dict(context):
    return {"done": True}


# what raises

@once
def raises_keyboard_interrupt(context):
    raise KeyboardInterrupt

@once
def exits(context):
    print("is about to leave", end="")
    sys.exit("no more")

@once
def recurses_for_ever(context):
    recurses_for_ever(context)

@once
def raises_100_000_characters(context):
    raise ValueError("x" * 100_000)


# what writes too much

@once
def writes_100_mb(context):
    line = b"x" * 999 + b"\\n"
    for _ in range(100_000):
        sys.stdout.buffer.write(line)

@twice
def fills_its_folder(context):
    tell(context)
    print("begins", flush=True)
    for number in range(6):
        pathlib.Path(f"{number}").write_bytes(bytes(1024 * 1024))
    time.sleep(1000)

@once
def writes_a_large_file(context):
    with open("large", "wb") as file:
        for _ in range(6):
            file.write(bytes(1024 * 1024))

@once
def nests_folders(context):
    for _ in range(3000):
        os.mkdir("a")
        os.chdir("a")


# what ends its process, or speaks no more

@once
def forks_and_returns(context):
    leave_running(context)
    leave_running(context, os.setsid)
    wait_for(context, 2)

@once
def forks_and_exits(context):
    leave_running(context)
    leave_running(context, os.setsid)
    leave_running(context, lambda: os.setsid() or (os.fork() and os._exit(0)))
    wait_for(context, 3)
    os._exit(3)

@twice
def closes_all_and_returns(context):
    tell(context)
    os.closerange(0, 4096)

@once
def closes_all_and_stays(context):
    tell(context)
    print("closes", flush=True)
    os.closerange(0, 4096)
    time.sleep(1000)

@twice
def ends_its_process(context):
    tell(context)
    print("a line")
    print("without an end", end="", flush=True)
    print("an error", file=sys.stderr)
    os._exit(3)

@once
def ends_by_a_signal(context):
    tell(context)
    os.kill(os.getpid(), signal.SIGSEGV)

@once
def ends_by_sigkill(context):
    tell(context)
    os.kill(os.getpid(), signal.SIGKILL)

@once
def writes_noise_into_its_channel(context):
    tell(context)
    for fd in range(3, 64):
        try:
            os.write(fd, b"\\xff" * 64)
        except OSError:
            pass
    time.sleep(1000)


# what does not end

@in_a_second
def never_returns(context):
    tell(context)
    print("waits", end="", flush=True)
    while True:
        time.sleep(1000)

@in_a_second
def spins(context):
    tell(context)
    while True:
        pass

@in_a_second
def ignores_sigterm(context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave_running(context, os.setsid)
    tell(context)
    time.sleep(1000)

@in_a_second
def stops_itself(context):
    tell(context)
    os.kill(os.getpid(), signal.SIGSTOP)

@once
def ignores_sigterm_for_long(context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave_running(context)
    tell(context)
    time.sleep(1000)
'''
