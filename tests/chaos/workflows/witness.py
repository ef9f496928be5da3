"""What a task's body writes down about itself, in lines that are appended with one write each.

A line is `kind run task token worker pid parent time`. `run` is the name that the harness gave to
the execution, `worker` the pid of the worker in whose process tree the body runs, 0 when that
cannot be seen. The file outlives whatever happens to the body.
"""

import os
import time
import uuid
from pathlib import Path


class Body:
    """One run of a task's body.

    Parameters:
        context: the task's input, with what the harness put there.
        task: the task's id.
    """

    def __init__(self, context, task):
        self._context = context
        self._journal = context["journal"]
        self._task = task
        self._worker = worker_of(os.getpid(), context["workers"])
        self.token = uuid.uuid4().hex
        self._write("begin")

    def beat(self):
        """Say that the body still lives."""
        self._write("beat")

    def strike(self):
        """Say that the body is about to kill its worker."""
        self._write("strike")

    def fail(self, text):
        """Fail the attempt."""
        self._write("raise")
        raise RuntimeError(text)

    def failures(self):
        """Count the times that this task has failed by itself so far."""
        mine = f"raise {self._context['run']} {self._task} "
        with Path(self._journal).open() as journal:
            return sum(line.startswith(mine) for line in journal)

    def end(self):
        """End well: put the token into the output, where it shows whose result was stored."""
        self._context.set("tokens", {**self._context.get("tokens", {}), self._task: self.token})
        self._write("end")
        return self._context

    def _write(self, kind):
        named = (kind, self._context["run"], self._task, self.token)
        numbers = (self._worker, os.getpid(), os.getppid())
        line = f"{' '.join(map(str, named + numbers))} {time.time():.6f}\n"
        descriptor = os.open(self._journal, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def worker_of(pid, workers):
    """Find the worker above a process.

    Parameters:
        pid: the process.
        workers: the file in which the harness lists its workers, each with its time of birth.

    Returns:
        The worker's pid; 0 when none of those that are listed is above the process.
    """
    listed = dict(line.split() for line in Path(workers).read_text().splitlines())
    while pid > 1:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        # the time of birth tells it from a later process of the same number
        if listed.get(str(pid)) == fields[19]:
            return pid
        pid = int(fields[1])
    return 0
