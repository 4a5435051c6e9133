"""The timelines' file: replaced atomically, and one agent for each folder."""

import os
from pathlib import Path

import pytest

from deragent.timelines.timeline_file import DataFolderError, TimelineFile


def test_saved_timelines_are_loaded(tmp_path: Path) -> None:
    store = TimelineFile(tmp_path / "not" / "there yet")
    assert store.load() is None
    store.save(b"one")
    store.save(b"two")
    assert store.load() == b"two"
    store.close()
    again = TimelineFile(tmp_path / "not" / "there yet")
    assert again.load() == b"two"
    again.close()


def test_a_folder_belongs_to_one_agent(tmp_path: Path) -> None:
    store = TimelineFile(tmp_path)
    with pytest.raises(DataFolderError, match="another agent keeps its timelines in this folder"):
        TimelineFile(tmp_path)
    store.close()
    TimelineFile(tmp_path).close()


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="cannot keep timelines here"):
        TimelineFile(tmp_path / "file" / "data")


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TimelineFile(tmp_path)
    store.save(b"old")

    def no_room(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_room)
        with pytest.raises(OSError, match="No space left"):
            store.save(b"new")
    assert store.load() == b"old"
    store.save(b"newer")
    assert store.load() == b"newer"
    store.close()


def test_the_file_is_on_disk_before_its_name_is_and_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TimelineFile(tmp_path)
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def note_sync(fd: int) -> None:
        steps.append(f"sync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")
        sync(fd)

    def note_replace(path: Path, target: Path) -> Path:
        steps.append(f"{path.name} becomes {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    store.save(b"x")
    assert steps == [
        "sync timelines.new",
        "timelines.new becomes timelines",
        f"sync {tmp_path.name}",
    ]
    store.close()


def test_a_file_set_aside_can_be_examined(tmp_path: Path) -> None:
    store = TimelineFile(tmp_path)
    for data in (b"bad", b"worse"):
        store.save(data)
        assert store.set_aside().read_bytes() == data
        assert store.load() is None
    assert len(list(tmp_path.iterdir())) == 2
    store.close()
