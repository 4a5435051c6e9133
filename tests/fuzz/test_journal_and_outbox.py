"""Damaged files of both daemons: the journal is salvaged or refused, the outbox read or set aside.

Nothing is read back that was not written. The files are real ones of a few dozen pages.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.devices import Measurement
from deragent.outbox import FileLookup, OutboxLimits
from deragent.outbox.file_work import FileWork
from deragent.outbox.gap_book import Gap, Unsaved
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.outbox_file import OutboxFile, OutboxFileDamagedError
from deragent.outbox.seq_spans import SeqSpan
from deragent.uplink.messages import write_telemetry
from derhead.dispatch import State
from derhead.errors import JournalError
from derhead.history.file.lock import MARK_BYTES, Left
from derhead.history.file.schema import JournalFiles
from derhead.history.writing.record_store import Group, Store
from derproto.codec import encoder
from derproto.der.v1 import AgentMessage, GapCause, OperatingState
from tests.fuzz.damage import Damage, damages, hurt
from tests.fuzz.mutation import effort
from tests.support.assets import numbered_id
from tests.support.epoch import S
from tests.support.history.records import dispatch, gap, heartbeat, sample, session

BOOT, NEXT_BOOT = 7, 8
ASSETS = [numbered_id(1), numbered_id(2)]
COUNT = 150
LIMITS = OutboxLimits()
EVERYTHING = SeqSpan(BOOT, 1, COUNT)


# --- the outbox ------------------------------------------------------------------------------


def written_rows() -> list[OutboxRow]:
    return [
        OutboxRow(n, n % 2, n * S, Measurement(p_mw=n / 8, status=OperatingState.RUNNING), n % 3)
        for n in range(1, COUNT + 1)
    ]


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an outbox ``closed`` in order, and one ``killed`` with rows in its WAL."""
    live, left = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("left")
    file = OutboxFile(live, BOOT, ASSETS)
    gaps = tuple(Gap(BOOT, n, 1, n % 2, GapCause.DEVICE, n * S, n * S + 5, n) for n in range(40))
    rows = written_rows()
    for part in (rows[: COUNT // 2], rows[COUNT // 2 :]):
        file.apply(FileWork((), (), part, Unsaved(gaps, ()), False), LIMITS)
        if len(part) and part[0].seq == 1:
            file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(live, left / "killed", ignore=shutil.ignore_patterns("*-shm"))
    file.close()
    shutil.copytree(live, left / "closed")
    return left


def use_outbox(folder: Path) -> list[OutboxRow]:
    """Does all that an agent does with a file that it finds; returns the rows that it read."""
    file = OutboxFile(folder, NEXT_BOOT, ASSETS)
    try:
        rows = file.read(FileLookup(BOOT, 1, 2**62, 1000))
        new = [OutboxRow(1, 0, S, Measurement(p_mw=1.0), 0)]
        file.apply(FileWork((), (SeqSpan(BOOT, 1, 9),), new, Unsaved((), ()), True), LIMITS)
        file.apply(FileWork((EVERYTHING,), (), (), Unsaved((), ()), True), LIMITS)
    finally:
        file.close()
    return rows


@effort(150)
@given(damage=damages, which=st.sampled_from(["", "-wal"]), killed=st.booleans())
def test_a_damaged_outbox_is_read_or_set_aside(
    outbox: Path, tmp_path: Path, damage: list[Damage], which: str, killed: bool
) -> None:
    folder = tmp_path / "outbox"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(outbox / ("killed" if killed else "closed"), folder)
    for each in damage:
        hurt(folder / f"outbox.db{which if killed else ''}", each)
    try:
        rows = use_outbox(folder)
    except OutboxFileDamagedError:
        return
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})
    if all(kind in ("cut", "grow") for kind, *_ in damage):
        written = {row.seq: row for row in written_rows()}
        assert all(row == written[row.seq] for row in rows)
    if rows:
        encoder(AgentMessage)(write_telemetry(BOOT, rows, backfill=True))


# --- the journal -----------------------------------------------------------------------------

KEYS = ("telemetry", "assets", "boots", "dispatches", "dispatch_states", "sessions", "gaps")
Rows = dict[str, set[tuple[object, ...]]]


def rows_of(con: sqlite3.Connection) -> Rows:
    return {name: set(con.execute(f"SELECT * FROM {name}")) for name in KEYS}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """The folder of a journal as after a kill, and its rows."""
    live, left = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("left") / "journal"
    files = JournalFiles(live / "journal.db", "OFF")
    store = Store(files.writer)
    for first in (0, 60):
        numbers = range(first, first + 60)
        store.commit(
            Group(
                batches=([sample(n, asset=a) for n in numbers for a in "abc"],),
                notes=(
                    *(heartbeat(n * S) for n in numbers),
                    *(session(f"session-{n:03}") for n in numbers),
                    *(gap(f"gap-{n:03}", start_us=n * S) for n in numbers),
                ),
                writes=tuple(
                    (dispatch(f"d-{n:03}", states=(State.PENDING, State.SENT)),) for n in numbers
                ),
            )
        )
        if first == 0:
            files.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows = rows_of(files.reader)
    shutil.copytree(live, left, ignore=shutil.ignore_patterns("*.reserve", "*-shm"))
    files.close()
    return left, rows


@effort(40)
@given(damage=damages, which=st.sampled_from(["", "-wal", ".lock"]), left=st.sampled_from(Left))
def test_a_damaged_journal_is_salvaged_or_refused(
    journal: tuple[Path, Rows], tmp_path: Path, damage: list[Damage], which: str, left: Left
) -> None:
    original, before = journal
    folder = tmp_path / "journal"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    (folder / "journal.lock").write_text(f"{left} pid 1".ljust(MARK_BYTES - 1) + "\n")
    for each in damage:
        hurt(folder / ("journal.lock" if which == ".lock" else f"journal.db{which}"), each)
    try:
        files = JournalFiles(folder / "journal.db", "OFF")
    except JournalError as refused:
        # Its text names the folder, or it is a defect.
        if str(folder) in str(refused):
            return
        raise
    try:
        after = rows_of(files.reader)
        Store(files.writer).commit(Group(batches=([sample(10**6)],), writes=((dispatch("new"),),)))
    except sqlite3.DatabaseError:
        # Only a file that was left in order is opened unchecked.
        assert files.salvaged is None
        return
    finally:
        files.close()
    if files.salvaged is not None:
        for name in ("sessions", "gaps", "dispatches"):
            assert {row[0] for row in after[name]} <= {row[0] for row in before[name]}
