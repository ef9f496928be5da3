"""A worker's folder."""

import os
import stat
import subprocess
from pathlib import Path

from cloacina.settings import Settings
from workers.slot import make_worker_folder


def test_it_is_nobody_elses_and_those_of_workers_that_are_gone_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as alive, subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
        work = tmp_path / "work"
        # the first process of the machine runs, whoever may ask it for a sign of life
        kept = [work / f"worker-{pid}" for pid in (alive.pid, 1)]
        removed = work / f"worker-{gone.pid}"
        for folder in (*kept, removed):
            (folder / "slot" / "scratch").mkdir(parents=True)

        folder = make_worker_folder(Settings(home=tmp_path))

        alive.kill()
    assert folder == work / f"worker-{os.getpid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(work.iterdir()) == sorted([*kept, folder])
    assert make_worker_folder(Settings(home=tmp_path)) == folder
