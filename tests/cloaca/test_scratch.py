"""A task's scratch folder: how it is emptied, and how much of it is seen."""

import os
import time
from pathlib import Path

import pytest

from cloaca import _guard
from cloaca._guard import Guard
from cloaca._scratch import Scratch, remove

MIB = 1024 * 1024


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(str(tmp_path / "scratch"))


def nest(folder: str, levels: int) -> None:
    """Make folders inside each other, deeper than a path can say."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("a", dir_fd=fd)
        fd, above = os.open("a", os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    with open("bottom", "w", opener=lambda path, flags: os.open(path, flags, dir_fd=fd)):
        os.close(fd)


def test_all_that_a_task_has_left_is_removed(scratch: Scratch, tmp_path: Path) -> None:
    path = Path(scratch.path)
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").write_text("x")
    (path / "outside").symlink_to(tmp_path)
    (path / "a" / "nowhere").symlink_to("nothing")
    os.mkfifo(path / "pipe")
    (tmp_path / "mine").touch()
    assert scratch.empty()
    assert list(path.iterdir()) == []
    assert (tmp_path / "mine").exists()


def test_folders_that_the_code_has_closed_are_removed(scratch: Scratch) -> None:
    path = Path(scratch.path)
    (path / "a" / "b" / "c").mkdir(parents=True)
    for folder in ("a/b/c", "a/b", "a", ""):
        (path / folder).chmod(0)
    scratch.remove()
    assert not path.exists()


@pytest.mark.parametrize("levels", [400, 10_000])
def test_folders_inside_each_other_are_removed_however_deep(scratch: Scratch, levels: int) -> None:
    nest(scratch.path, levels)
    assert scratch.empty()
    assert list(Path(scratch.path).iterdir()) == []
    nest(scratch.path, levels)
    remove(scratch.path)
    assert not os.path.lexists(scratch.path)


def test_a_link_in_the_place_of_the_folder_is_removed_and_not_what_it_leads_to(
    scratch: Scratch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    Path(scratch.path).rmdir()
    Path(scratch.path).symlink_to(other)
    assert not scratch.empty()
    scratch.remove()
    assert (other / "mine").exists()
    assert not os.path.lexists(scratch.path)


def look(path: str, max_bytes: int, max_files: int = 100_000) -> str | None:
    """Look once; gives what there is too much of."""
    guard = Guard(path, max_bytes, max_files)
    guard.watch()
    for _ in range(10_000):
        before = guard.due_at()
        found = guard.step()
        if found or guard.due_at() != before:
            return found
    raise AssertionError("a look that does not end")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "EVERY_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_folder_is_too_full_by_what_it_takes_of_the_disk(scratch: Scratch) -> None:
    path = Path(scratch.path)
    with (path / "sparse").open("wb") as file:
        file.truncate(1024 * MIB)
    assert look(scratch.path, MIB) is None
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").write_bytes(b"x" * 2 * MIB)
    assert look(scratch.path, MIB) == "1048576 bytes"
    assert look(scratch.path, 4 * MIB) is None


@pytest.mark.usefixtures("at_once")
def test_a_file_with_several_names_counts_once(scratch: Scratch) -> None:
    path = Path(scratch.path)
    (path / "0").write_bytes(b"x" * MIB)
    for number in range(1, 10):
        (path / str(number)).hardlink_to(path / "0")
    (path / "link").symlink_to("/")
    assert look(scratch.path, 2 * MIB) is None


@pytest.mark.usefixtures("at_once")
def test_many_files_are_too_many(scratch: Scratch) -> None:
    for number in range(1, 1500):
        (Path(scratch.path) / f"{number}").touch()
    assert look(scratch.path, MIB, 1499) is None
    assert look(scratch.path, MIB, 1498) == "1498 files"


@pytest.mark.usefixtures("at_once")
def test_a_folder_that_goes_away_while_it_is_looked_at_holds_nothing(scratch: Scratch) -> None:
    scratch.remove()
    assert look(scratch.path, MIB) is None


def test_looks_come_a_second_apart_and_less_often_where_they_take_long(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    guard = Guard(scratch.path, MIB)
    assert (guard.step(), guard.due_at()) == (None, None)
    guard.watch()
    assert guard.due_at() == 101.0
    clock[0] = 100.5
    guard.watch()
    assert guard.due_at() == 101.0

    real = os.scandir

    def slow(path: str) -> object:
        clock[0] += 0.7
        return real(path)

    clock[0] = 101.0
    monkeypatch.setattr(os, "scandir", slow)
    assert guard.step() is None
    assert guard.due_at() == pytest.approx(101.7 + 7)
    guard.rest()
    assert guard.due_at() is None


@pytest.mark.usefixtures("at_once")
def test_a_look_takes_few_files_at_a_time(scratch: Scratch) -> None:
    for number in range(1200):
        (Path(scratch.path) / f"{number}").touch()
    guard = Guard(scratch.path, MIB)
    guard.watch()
    due, steps = guard.due_at(), 0
    while guard.due_at() == due:
        assert guard.step() is None
        steps += 1
    assert steps == 3
