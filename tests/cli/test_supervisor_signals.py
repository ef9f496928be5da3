"""Requests to stop, as a supervisor receives them."""

import os
import signal
import time

import pytest

from cli.signals import Signals, StopRequested


def test_requests_are_counted_and_end_the_wait_at_once() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        begin = time.monotonic()
        signals.wait(30)
        assert time.monotonic() - begin < 10
        assert signals.stops == 2


def test_a_request_breaks_off_what_can_be_broken_off() -> None:
    with Signals() as signals:
        with pytest.raises(StopRequested), signals.breaking_off():  # noqa: PT012
            os.kill(os.getpid(), signal.SIGTERM)
            signals.wait(30)
        with pytest.raises(StopRequested), signals.breaking_off():
            pytest.fail("nothing begins after a request")


def test_a_hang_up_that_nohup_has_us_ignore_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.stops == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handlers_of_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)]
    with Signals():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)] == before
