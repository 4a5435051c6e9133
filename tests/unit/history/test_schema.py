"""The journal's file: created, migrated, refused, locked."""

import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from derhead.dispatch import Dispatch, State
from derhead.errors import JournalError
from derhead.history.file import schema
from derhead.history.file.schema import JournalFiles
from derhead.history.queries import statements
from derhead.history.writing.record_store import Group, Store
from tests.support.epoch import S
from tests.support.history.records import dispatch, heartbeat, sample, session

V1, V2 = (Path(__file__).parent / f"v{n}.sql" for n in (1, 2))
"""Journals as these versions wrote them. Never change them: such files exist."""


def test_a_new_file_has_the_pragmas_of_the_document(path: Path) -> None:
    files = JournalFiles(path, "FULL")
    pragmas = {
        name: files.writer.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "auto_vacuum", "user_version")
    }
    files.close()
    newest = max(schema.migrations())
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "auto_vacuum": 2,
        "user_version": newest,
    }


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


@pytest.mark.usefixtures("open_umask")
def test_only_its_user_and_group_read_a_journal(path: Path) -> None:
    files = JournalFiles(path, "FULL")
    try:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
        names = ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "journal.lock")
        assert modes(path.parent) == dict.fromkeys(names, 0o640)
    finally:
        files.close()


@pytest.mark.usefixtures("open_umask")
def test_a_world_readable_journal_is_made_private(path: Path) -> None:
    JournalFiles(path, "FULL").close()
    path.chmod(0o604)
    files = JournalFiles(path, "FULL")
    try:
        assert modes(path.parent)["journal.sqlite"] == 0o600
        assert modes(path.parent)["journal.sqlite-wal"] == 0o600
    finally:
        files.close()


LED = dispatch(
    "led",
    attempts=2,
    states=(State.PENDING, State.SENT, State.RECEIVED, State.STARTED, State.SUPERSEDED),
    superseded_by="d",
    suspended="LINK_SILENT",
    interrupted_us=5 * S,
    cancelling="not wanted",
    revision=4,
    verdict='{"result": "achieved"}',
)
"""A dispatch with every field set."""


@pytest.mark.parametrize(("written", "more"), [(V1, []), (V2, [LED])], ids=["v1", "v2"])
def test_journals_of_earlier_versions_are_migrated(
    path: Path, written: Path, more: list[Dispatch]
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as con:
        con.executescript(written.read_text(encoding="utf-8"))
    files = JournalFiles(path, "FULL")
    try:
        assert statements.latest_samples(files.reader) == [sample(2), sample(3, asset="asset-2")]
        assert statements.dispatch(files.reader, "d") == dispatch("d", attempts=2)
        for each in more:
            assert statements.dispatch(files.reader, each.id) == each
        assert statements.last_sessions(files.reader) == [session()]
        assert statements.latest_heartbeats(files.reader) == [heartbeat(9 * S)]
        Store(files.writer).commit(Group(batches=([sample(4)],)))
    finally:
        files.close()


def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    JournalFiles(path, "FULL").close()
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="version 99, this software knows up to"):
        JournalFiles(path, "FULL")
    with closing(sqlite3.connect(path)) as con:
        assert con.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    JournalFiles(path, "FULL").close()
    known = schema.migrations()
    broken = {
        **known,
        max(known) + 1: "CREATE TABLE extra (a); INSERT INTO nowhere VALUES (1);",
    }
    with monkeypatch.context() as patched:
        patched.setattr(schema, "migrations", lambda: broken)
        with pytest.raises(JournalError, match="nowhere"):
            JournalFiles(path, "FULL")
    files = JournalFiles(path, "FULL")
    tables = files.writer.execute("SELECT name FROM sqlite_schema").fetchall()
    files.close()
    assert ("extra",) not in tables


def test_another_programs_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE theirs (a)")
    with pytest.raises(JournalError, match="some other program's database"):
        JournalFiles(path, "FULL")


def test_a_file_that_is_not_a_database_is_moved_aside(path: Path) -> None:
    path.parent.mkdir()
    text = "not a database, but long enough to be looked at " * 50
    path.write_text(text)
    files = JournalFiles(path, "FULL", opened_us=S)
    files.close()
    assert files.salvaged is not None
    assert files.salvaged.moved_to == "journal.sqlite.damaged-19700101T000001Z"
    aside = path.with_name(files.salvaged.moved_to)
    assert aside.read_text() == text


def test_a_second_headend_on_the_folder_is_refused(path: Path) -> None:
    first = JournalFiles(path, "FULL")
    who = re.escape(f"{path.parent}: another headend (pid {os.getpid()}) keeps its journal")
    for _ in range(2):
        with pytest.raises(JournalError, match=who):
            JournalFiles(path, "FULL")
    first.close()
    JournalFiles(path, "FULL").close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot keep a journal here"):
        JournalFiles(tmp_path / "file" / "data" / "journal.sqlite", "FULL")


def test_a_backup_taken_while_it_is_written_is_a_journal(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.sqlite"
    files = JournalFiles(path, "FULL")
    store = Store(files.writer)
    store.commit(Group(batches=([sample(1)],), writes=((dispatch("d"),),)))
    with closing(sqlite3.connect(path)) as con:
        con.execute("VACUUM INTO ?", (str(copy),))
    store.commit(Group(batches=([sample(2)],)))
    files.close()
    restored = JournalFiles(copy, "FULL")
    try:
        assert statements.latest_samples(restored.reader) == [sample(1)]
        assert statements.open_dispatches(restored.reader) == [dispatch("d")]
        assert restored.writer.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    finally:
        restored.close()
