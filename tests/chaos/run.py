"""One run of the chaos test, from an empty folder to its evidence."""

import json
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import psycopg

from cloacina.dispatch import queue_name
from tests.chaos import journal, mix, plan, tables
from tests.chaos.checks_bodies import DATABASE
from tests.chaos.client import Client
from tests.chaos.evidence import Evidence, Happening
from tests.chaos.limits import OUTLIVES_S, SETTLE_S
from tests.chaos.load import Load, upload_all
from tests.chaos.recovery import until_ready
from tests.chaos.storm import Storm
from tests.chaos.watch import Watch
from tests.chaos.world import SLOTS, World

TENANTS = [f"chaos_{number}" for number in range(1, 6)]
_TICK_S = 0.05
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Form:
    """How long a run is and what it holds.

    Parameters:
        seconds: of the storm.
        rate: executions a second.
        killers: executions that kill their workers.
        scale: of the time that long tasks take.
        short: only a few disturbances, each soon over.
    """

    seconds: float
    rate: float = 1.5
    killers: int = 2
    scale: float = 1.0
    short: bool = False


class Run:
    """A run.

    Parameters:
        seed: decides what is started and what is disturbed, and when.
        form: its length.
        folder: an empty one, for all that is written.
    """

    def __init__(self, seed: int, form: Form, folder: Path) -> None:
        self._seed = seed
        self._form = form
        self._world = World(folder)
        self._folder = folder
        self._problems: list[str] = []

    def run(self) -> Evidence:
        """Do all of it."""
        world, form = self._world, self._form
        began = time.monotonic()
        try:
            world.start()
            client = Client(world.addresses, world.admin_key)
            client.wait_until_ready()
            upload_all(client, self._packages(), TENANTS)
            _say(f"ready for the storm after {time.monotonic() - began:.1f} s")
            random = Random(self._seed)
            made = plan.short_storm if form.short else plan.long_storm
            storm = Storm(world, made(random, form.seconds), [queue_name(name) for name in TENANTS])
            orders = mix.orders(random, TENANTS, form.seconds, form.rate, form.killers, form.scale)
            load, watch = Load(world, orders, self._seed), Watch(world, TENANTS)
            self._through(storm, load, watch)
            return self._evidence(storm, load, watch)
        finally:
            world.stop_services()
            world.stop_servers()

    def _packages(self) -> list[Path]:
        source = self._folder / "packages"
        source.mkdir()
        names = mix.in_use(killers=self._form.killers)
        return [mix.make_package(name, source) for name in names]

    def _through(self, storm: Storm, load: Load, watch: Watch) -> None:
        watch.start()
        storm.start()
        load.start()
        while storm.step() or not load.is_done():
            self._world.tend()
            time.sleep(_TICK_S)
            if time.monotonic() - storm.began > self._form.seconds + SETTLE_S:
                break
        _say("the storm is over")
        settled_at = time.monotonic()
        if not self._settle(settled_at + SETTLE_S):
            self._problems.append(f"not settled {SETTLE_S:.0f} s after the storm")
        _say(f"settled {time.monotonic() - settled_at:.1f} s after the storm")
        load.give_up()
        # bodies of lost claims may live on for so long
        self._tend_for(OUTLIVES_S)
        watch.stop()

    def _settle(self, until: float) -> bool:
        while time.monotonic() < until:
            self._tend_for(_LOOK_EVERY_S)
            try:
                with tables.connect(self._world.admin_url) as connection:
                    if tables.open_executions(connection, TENANTS) == 0:
                        return True
            except psycopg.OperationalError:
                continue
        return False

    def _tend_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._world.tend()
            time.sleep(_TICK_S)

    def _evidence(self, storm: Storm, load: Load, watch: Watch) -> Evidence:
        world = self._world
        late = world.stop_services()
        with tables.connect(world.admin_url) as connection:
            executions, tasks, events = tables.read(connection, TENANTS)
        leftovers = [f"{name} did not end when it was told to" for name in late]
        leftovers += [f"scratch folder {path}" for path in world.scratch()]
        world.stop_servers()
        leftovers += [f"process {pid}" for pid in world.leftovers()]
        ids = {execution.key: execution.id for execution in executions}
        with world.journal.open() as lines:
            bodies = journal.read(lines, ids)
        evidence = Evidence(
            accepted=load.accepted,
            executions=executions,
            tasks=tasks,
            events=events,
            bodies=bodies,
            samples=watch.samples,
            happenings=storm.happenings,
            probes=watch.probes,
            slots=SLOTS,
            leftovers=leftovers,
            problems=[*self._problems, *load.problems],
        )
        evidence = replace(evidence, happenings=self._explained(evidence))
        _say(f"requests that had to be sent again: {dict(load.troubles)}")
        _say(f"hints that were delivered twice: {storm.copied_hints}")
        self._write_down(evidence)
        return evidence

    def _explained(self, evidence: Evidence) -> list[Happening]:
        """Add the deaths that nobody planned, and how long the database was away."""
        happenings = [
            replace(it, end=it.begin + until_ready(evidence, it)) if it.kind in DATABASE else it
            for it in evidence.happenings
        ]
        planned = {it.worker for it in happenings if it.kind.startswith("kill_") and not it.slot}
        for death in self._world.deaths:
            if death.pid in planned:
                continue
            kind = "strike" if death.code == -signal.SIGKILL else "ended_by_itself"
            if death.code != -signal.SIGKILL:
                _say(f"{death.part} ended by itself, exit code {death.code}")
            happenings.append(
                Happening(kind, death.at, death.at, worker=death.pid, part=death.part)
            )
        return happenings

    def _write_down(self, evidence: Evidence) -> None:
        """Keep what was seen beside the logs, for whoever looks into a violation."""
        text = json.dumps(asdict(evidence), default=str)
        (self._folder / "evidence.json").write_text(text)


def _say(text: str) -> None:
    print(text, flush=True)
