"""Backups of real journals: what a copy holds, and what takes the journal's place."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from derhead.dispatch import State
from derhead.errors import JournalError
from derhead.history.file import facts
from derhead.history.file.backup import back_up, put_back
from derhead.history.file.schema import JournalFiles
from derhead.history.writing import eventlog
from derhead.history.writing.record_store import Group, Store
from tests.support.epoch import T0, S
from tests.support.history.records import dispatch, sample

KEPT = "journal.db.before-restore-20270115T080000Z"
"""What the journal that a restore replaces is kept as."""


def fill(files: JournalFiles, first: int, count: int) -> None:
    Store(files.writer).commit(
        Group(
            batches=([sample(n) for n in range(first, first + count)],),
            notes=(),
            writes=tuple(
                (dispatch(f"d-{n:05}", states=(State.PENDING, State.SENT)),)
                for n in range(first, first + count)
            ),
        )
    )


def rows(path: Path) -> int:
    assert path.exists(), sorted(file.name for file in path.parent.iterdir())
    with closing(sqlite3.connect(path)) as con:
        (found,) = con.execute("SELECT count(*) FROM telemetry").fetchone()
    return int(found)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with 100 samples, closed in order."""
    path = tmp_path / "data" / "journal.db"
    files = JournalFiles(path, "OFF")
    fill(files, 0, 100)
    files.close()
    return path


@pytest.fixture
def live(path: Path) -> Iterator[JournalFiles]:
    """The same journal in use, with 50 samples more that are only in its WAL."""
    files = JournalFiles(path, "OFF")
    fill(files, 100, 50)
    yield files
    files.close()


# --- a backup --------------------------------------------------------------------------------


def test_a_backup_of_a_journal_in_use_is_whole_and_private(
    live: JournalFiles, path: Path, tmp_path: Path
) -> None:
    to = tmp_path / "backup.db"
    back_up(path, to)
    assert rows(to) == 150
    assert mode(to) == 0o640
    assert [p.name for p in tmp_path.iterdir() if p.name != "data"] == ["backup.db"]
    # Writing went on beside it, and goes on.
    fill(live, 150, 1)
    assert rows(path) == 151


def test_a_backup_leaves_what_a_kill_left_to_the_next_start(tmp_path: Path, path: Path) -> None:
    files = JournalFiles(path, "OFF")
    fill(files, 100, 50)
    left = tmp_path / "left"
    left.mkdir()
    for file in path.parent.iterdir():
        (left / file.name).write_bytes(file.read_bytes())
    files.close()
    back_up(left / "journal.db", tmp_path / "backup.db")
    assert rows(tmp_path / "backup.db") == 150
    assert (left / "journal.db-wal").stat().st_size > 0


def test_a_backup_replaces_no_file(live: JournalFiles, path: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("precious")
    with pytest.raises(JournalError, match="exists already; name another"):
        back_up(path, tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "precious"


def test_a_backup_that_cannot_be_made_leaves_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        back_up(tmp_path / "nowhere.db", tmp_path / "backup.db")
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(10 * 4096))
    with pytest.raises(JournalError, match=r"cannot be copied|is damaged"):
        back_up(path, tmp_path / "backup.db")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


# --- a restore -------------------------------------------------------------------------------


@pytest.fixture
def backup(path: Path, tmp_path: Path) -> Path:
    """A backup of the journal with 100 samples; the journal has gone on since."""
    to = tmp_path / "backup.db"
    back_up(path, to)
    files = JournalFiles(path, "OFF")
    fill(files, 100, 50)
    files.close()
    return to


def test_a_restore_brings_the_backup_back_and_keeps_the_journal(path: Path, backup: Path) -> None:
    kept = put_back(path, backup, T0)
    assert kept == path.with_name(KEPT)
    assert (rows(path), rows(kept)) == (100, 150)
    assert mode(path) == 0o640
    # A headend opens it as it would any journal, without a check.
    assert path.with_suffix(".lock").read_text().startswith("closed ")
    files = JournalFiles(path, "FULL")
    assert files.salvaged is None
    assert files.writer.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert files.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    fill(files, 200, 1)
    files.close()
    assert rows(path) == 101
    assert rows(backup) == 100


def test_a_restore_can_be_undone(path: Path, backup: Path) -> None:
    kept = put_back(path, backup, T0)
    assert kept is not None
    put_back(path, kept, T0 + S)
    assert rows(path) == 150


def test_a_restore_needs_no_journal_before_it(tmp_path: Path, backup: Path) -> None:
    assert put_back(tmp_path / "new" / "journal.db", backup, T0) is None
    assert rows(tmp_path / "new" / "journal.db") == 100


def test_a_restore_is_refused_while_a_headend_runs(
    live: JournalFiles, path: Path, tmp_path: Path
) -> None:
    back_up(path, tmp_path / "backup.db")
    with pytest.raises(JournalError, match=rf"another headend \(pid {os.getpid()}\)"):
        put_back(path, tmp_path / "backup.db", T0)
    fill(live, 150, 1)
    assert rows(path) == 151


@pytest.mark.parametrize("what", ["text", "torn", "newer", "other", "nothing"])
def test_what_is_no_sound_backup_is_refused_and_changes_nothing(
    what: str, path: Path, backup: Path
) -> None:
    lock = path.with_suffix(".lock")
    lock.write_bytes(b"damaged pid 7".ljust(63) + b"\n")
    match what:
        case "text":
            backup.write_text("not a database at all")
        case "torn":
            with backup.open("r+b") as file:
                file.truncate(backup.stat().st_size // 2)
        case "newer" | "other":
            with closing(sqlite3.connect(backup)) as con:
                name = "user_version" if what == "newer" else "application_id"
                con.execute(f"PRAGMA {name} = 999")
        case "nothing":
            backup.unlink()
    with pytest.raises(JournalError, match=backup.name):
        put_back(path, backup, T0)
    assert rows(path) == 150
    assert sorted(p.name for p in path.parent.iterdir()) == ["journal.db", "journal.lock"]
    # What is known of the journal's damage is not forgotten.
    assert lock.read_text().startswith("damaged ")


def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(backup)) as con:
        con.executescript((Path(__file__).parent / "v1.sql").read_text())
    path = tmp_path / "data" / "journal.db"
    put_back(path, backup, T0)
    files = JournalFiles(path, "OFF")
    fill(files, 0, 1)
    files.close()


@pytest.mark.parametrize("step", range(5))
def test_a_crash_in_a_restore_leaves_one_whole_journal_or_the_other(
    step: int, path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = JournalFiles(path, "OFF")
    fill(files, 150, 50)
    for file in list(path.parent.iterdir()):
        (path.parent / f"copy-{file.name}").write_bytes(file.read_bytes())
    files.close()
    # As a kill would leave it, with a WAL.
    for file in path.parent.glob("copy-*"):
        file.rename(path.parent / file.name.removeprefix("copy-"))
    left = step
    rename = os.rename

    def crash_in_time(source: str, target: str) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        rename(source, target)

    monkeypatch.setattr(os, "rename", crash_in_time)
    with pytest.raises(KeyboardInterrupt):
        put_back(path, backup, T0)
    monkeypatch.undo()
    JournalFiles(path, "OFF").close()
    assert rows(path) == (200 if step == 0 else 100)
    if step:
        assert rows(path.with_name(KEPT)) == 200


# --- what came after the backup ---------------------------------------------------------------


def test_who_follows_events_is_told_to_begin_anew(path: Path, backup: Path) -> None:
    files = JournalFiles(path, "OFF")
    seen = eventlog.span(files.reader).newest
    files.close()
    put_back(path, backup, T0)
    files = JournalFiles(path, "OFF")
    assert eventlog.span(files.reader).newest >= max(seen, T0 // 1000)
    fill(files, 300, 1)
    assert eventlog.events_after(files.reader, seen, 10) is None
    files.close()


def test_postgresql_is_compared_from_the_beginning(path: Path, backup: Path) -> None:
    with closing(sqlite3.connect(backup, isolation_level=None)) as con:
        for key in facts.FEED:
            facts.put(con, key, 7)
    put_back(path, backup, T0)
    with closing(sqlite3.connect(path)) as con:
        assert {facts.get(con, key) for key in facts.FEED} == {None}
        assert facts.get(con, facts.TELEMETRY_WHOLE) == "0"
