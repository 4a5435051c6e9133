"""Changes of watched files are noticed once, and not before the files rest."""

from pathlib import Path

import trio
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from derproto.system.file_watch import (
    LOOK_S,
    MOST_UNREST,
    ChangeFinder,
    FileStamp,
    FileStamps,
    read_stamps,
    watch_files,
)


def stamps(*sizes: int) -> FileStamps:
    return tuple(FileStamp(1, 1, size, 1, 1) if size else None for size in sizes)


def test_a_change_counts_once_and_when_the_files_rest() -> None:
    finder = ChangeFinder(stamps(1, 1))
    looks = [(1, 1), (2, 1), (2, 2), (2, 2), (2, 2)]
    assert [finder.look(stamps(*look)) for look in looks] == [False, False, False, True, False]


def test_an_undone_change_does_not_count() -> None:
    finder = ChangeFinder(stamps(1))
    assert not any(finder.look(stamps(size)) for size in (2, 1, 1, 1))


def test_a_file_that_appears_or_goes_has_changed() -> None:
    finder = ChangeFinder(stamps(0))
    assert [finder.look(stamps(size)) for size in (5, 5, 0, 0)] == [False, True, False, True]


def test_files_that_never_rest_are_taken_as_they_are() -> None:
    finder = ChangeFinder(stamps(1))
    found = [finder.look(stamps(size)) for size in range(2, 2 + MOST_UNREST + 1)]
    assert found == [False] * MOST_UNREST + [True]


def test_stamps_tell_contents_of_one_length_apart_and_follow_links(tmp_path: Path) -> None:
    first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "link"
    first.write_text("same")
    second.write_text("size")
    link.symlink_to(first)
    paths = [link, tmp_path / "none", tmp_path / "1" / "below", Path("\0")]
    before = read_stamps(paths)
    assert before[1:] == (None, None, None)
    link.unlink()
    link.symlink_to(second)
    assert read_stamps(paths)[0] not in (None, before[0])


async def test_the_watch_calls_for_each_change(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    runtime = virtual_runtime(0)
    called: list[str] = []

    async def changed() -> None:
        await trio.lowlevel.checkpoint()
        called.append(path.read_text())

    async with trio.open_nursery() as nursery:
        known = read_stamps([path])
        path.write_text("22")
        nursery.start_soon(lambda: watch_files([path], changed, runtime, known=known))
        await trio.sleep(2.5 * LOOK_S)
        assert called == ["22"]
        path.write_text("333")
        await trio.sleep(2.5 * LOOK_S)
        assert called == ["22", "333"]
        await trio.sleep(100 * LOOK_S)
        assert called == ["22", "333"]
        nursery.cancel_scope.cancel()
