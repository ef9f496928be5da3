"""What a round of load comes down to."""

import pytest

from bench.load import BATCH, CLIENTS, Driven, Run, drive, middle, summarize


class Instant:
    """A starter whose workflows end at once."""

    def __init__(self) -> None:
        self.started = 0
        self.waited_for: list[int] = []

    def start(self) -> int:
        self.started += 1
        return self.started

    def wait(self, handle: int, poll_s: float) -> None:
        self.waited_for.append(handle)


class Failing(Instant):
    def start(self) -> int:
        raise RuntimeError("refused")


def driven(handles: int, *, ended: float = 10.0) -> Driven:
    return Driven(
        began=0.0,
        one_stopped=6.0,
        starts_ended=8.0,
        ended=ended,
        handles=list(range(handles)),
        client_s=1.0,
    )


def test_every_client_waits_for_the_last_of_each_batch() -> None:
    starters = [Instant(), Instant()]

    found = drive(starters, 0.01)

    for starter in starters:
        assert starter.waited_for == list(range(BATCH, starter.started + 1, BATCH))
    assert len(found.handles) == sum(starter.started for starter in starters)
    assert found.began <= found.one_stopped <= found.starts_ended <= found.ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_client_that_fails_ends_the_program() -> None:
    with pytest.raises(SystemExit):
        drive([Failing()], 0.01)


def test_rates_count_from_the_first_start() -> None:
    run = summarize(driven(2), [(0.0, 4.0), (1.0, 10.0)], {"slots": 0.5})

    assert (run.count, run.accept_rate, run.rate, run.in_flight) == (2, 0.25, 0.2, 1.3)
    assert run.cpu_ms == {"slots": 250.0, "client": 500.0}


def test_cpu_is_shared_out_among_what_had_completed_when_it_was_taken() -> None:
    run = summarize(driven(2, ended=5.0), [(0.0, 4.0), (1.0, 10.0)], {"slots": 0.5})

    assert run.cpu_ms["slots"] == 500.0


def test_the_queue_is_watched_from_the_first_batches_to_the_first_client_that_stops() -> None:
    first = CLIENTS * BATCH
    spans = [(1.0, 2.0)] * 5 + [(1.0, 7.0)] * (first - 5)

    assert summarize(driven(first), spans, {}).least_in_flight == first - 5


def test_what_was_started_and_did_not_complete_ends_the_program() -> None:
    with pytest.raises(SystemExit):
        summarize(driven(2), [(0.0, 1.0)], {})


def test_rounds_are_summed_up_by_medians_and_the_least() -> None:
    runs = [
        Run(10, rate, rate, rate, least, 0.1, {"slots": rate})
        for rate, least in ((1.0, 7), (9.0, 5), (2.0, 6))
    ]

    assert middle(runs) == Run(30, 2.0, 2.0, 2.0, 5, 0.1, {"slots": 2.0})
