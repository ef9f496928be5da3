"""A flood leaves few lines and the number of the others; what is no flood leaves all its lines."""

from web.condense import GROUP_LINES, MOST_SOURCES, SOURCE_LINES, Condenser


class Clock:
    """A clock that is moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_some_at_once_are_all_written() -> None:
    condenser = Condenser(Clock())
    assert [condenser.admit("a", "all") for _ in range(SOURCE_LINES)] == [0] * SOURCE_LINES


def test_a_flood_is_one_line_a_second_that_counts_the_others() -> None:
    clock = Clock()
    condenser = Condenser(clock)
    written = []
    for step in range(10_000):
        clock.now_s = step / 1000
        written.append(condenser.admit("a", "all"))
    lines = [count for count in written if count is not None]
    assert len(lines) <= SOURCE_LINES + 10
    clock.now_s += 1
    last = condenser.admit("a", "all")
    assert last is not None
    assert sum(lines) + last + len(lines) == 10_000


def test_a_source_that_is_silent_for_a_while_has_all_its_lines_again() -> None:
    clock = Clock()
    condenser = Condenser(clock)
    while condenser.admit("a", "all") is not None:
        pass
    clock.now_s = 60.0
    assert condenser.admit("a", "all") == 1
    assert [condenser.admit("a", "all") for _ in range(SOURCE_LINES)] == [
        *[0] * (SOURCE_LINES - 1),
        None,
    ]


def test_a_source_in_flood_leaves_others_their_lines() -> None:
    condenser = Condenser(Clock())
    while condenser.admit("a", "all") is not None:
        pass
    assert condenser.admit("b", "all") == 0


def test_many_sources_together_are_a_flood_too_and_take_nothing_from_another_group() -> None:
    clock = Clock()
    condenser = Condenser(clock)
    lines = [condenser.admit(source, "unknown") for source in range(2 * MOST_SOURCES)]
    assert sum(line is not None for line in lines) == GROUP_LINES
    assert condenser.admit("a key", "known") == 0
    assert len(condenser._sources) <= MOST_SOURCES
    clock.now_s = 1.0
    lines = [condenser.admit(source, "unknown") for source in range(1000)]
    assert sum(line is not None for line in lines) == 10
