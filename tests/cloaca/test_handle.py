"""What a task's handle does where there is no server, and with a slot that can be given up."""

import pytest

import cloaca


class Slot:
    """Takes note of what is asked of it."""

    def __init__(self):
        self.asked = []

    def give_up(self, poll_interval_ms):
        self.asked.append(poll_interval_ms)

    def take_again(self):
        self.asked.append("again")


def answers(*given):
    """Give a condition with these answers, one after the other."""
    left = list(given)
    return lambda: left.pop(0)


def test_a_running_task_holds_a_slot():
    assert cloaca.TaskHandle().is_slot_held() is True


def test_without_a_server_a_deferred_task_just_waits():
    handle, seen = cloaca.TaskHandle(), []
    condition = answers(False, 0, True)
    handle.defer_until(lambda: [seen.append(handle.is_slot_held()), condition()][1], 10)
    assert seen == [False] * 3
    assert handle.is_slot_held() is True


def test_the_slot_is_given_up_once_and_taken_again():
    slot = Slot()
    cloaca.TaskHandle(slot).defer_until(answers(False, True), 20.5)
    assert slot.asked == [20, "again"]


@pytest.mark.parametrize("interval", [0, 3, 9.9])
def test_an_interval_is_never_shorter_than_10_ms(interval):
    slot = Slot()
    cloaca.TaskHandle(slot).defer_until(answers(True), interval)
    assert slot.asked == [10, "again"]


def test_a_condition_that_fails_takes_the_slot_again_first():
    slot = Slot()
    handle = cloaca.TaskHandle(slot)
    with pytest.raises(IndexError):
        handle.defer_until(answers(False), 10)
    assert slot.asked == [10, "again"]
    assert handle.is_slot_held() is True


def test_a_condition_cannot_defer_again():
    handle = cloaca.TaskHandle()
    with pytest.raises(RuntimeError, match="called by the condition of another defer_until"):
        handle.defer_until(lambda: handle.defer_until(lambda: True))


async def coroutine():
    return True


@pytest.mark.parametrize(
    ("condition", "interval", "kind", "reason"),
    [
        (None, 10, TypeError, "condition must be a function, not NoneType"),
        (True, 10, TypeError, "condition must be a function, not bool"),
        (coroutine, 10, TypeError, "condition must be a plain function, not an async one"),
        (bool, "1", TypeError, "poll_interval_ms must be a number, not str"),
        (bool, -1, ValueError, "poll_interval_ms must be 0 or more"),
        (bool, float("nan"), ValueError, "poll_interval_ms must be 0 or more"),
    ],
)
def test_wrong_arguments_are_refused(condition, interval, kind, reason):
    handle = cloaca.TaskHandle()
    with pytest.raises(kind, match=reason):
        handle.defer_until(condition, interval)
    assert handle.is_slot_held() is True
