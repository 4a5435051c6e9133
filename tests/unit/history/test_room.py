"""Room for running dispatches on a full disk."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import State
from derhead.history import open_journal
from derhead.history.file.room import FREE_BYTES, WAL_PAGES, Room
from derhead.history.file.schema import JournalFiles
from derhead.history.sql.page_request import PageRequest
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0
from tests.support.history.records import dispatch, sample
from tests.support.processes.disk import small_disk

CHANGES = 600
"""Changes of dispatches while the disk is full."""


async def test_on_a_full_disk_hundreds_of_changes_of_dispatches_are_stored(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "journal.db"
        async with open_journal(path, virtual_runtime(T0)) as journal:
            acknowledged: list[int] = []
            # The WAL is nearly as long as it gets before a checkpoint.
            for n in range(30):
                rows = [sample(n * 4000 + k, asset=f"asset-{k % 400}") for k in range(4000)]
                durable = trio.Event()
                await journal.append_telemetry(rows, durable.set)
                await durable.wait()
            disk.fill(os.getpid())
            try:
                await journal.append_telemetry([sample(10**6)], lambda: acknowledged.append(1))
                await trio.sleep(5)
                assert journal.statistics().failing_since_us is not None
                if disk.mounted:
                    for n in range(CHANGES):
                        states = (State.PENDING, *([State.SENT] * (n % 3)))
                        await journal.write(dispatch(f"d-{n // 3}", states=states))
                assert acknowledged == []
                # Every acknowledged change can be read.
                page = await journal.telemetry_history("asset-0", PageRequest(1))
                assert page.items[0].seq == 29 * 4000 + 3600
            finally:
                disk.empty(os.getpid())
            await trio.sleep(3)
            assert acknowledged == [1]
            assert journal.statistics().failing_since_us is None
        files = JournalFiles(path, "FULL")
        assert files.salvaged is None
        (stored,) = files.reader.execute("SELECT count(*) FROM dispatches").fetchone()
        files.close()
        assert stored == (-(-CHANGES // 3) if disk.mounted else 0)


def test_the_wal_is_long_from_the_start_and_gone_at_the_end(path: Path) -> None:
    files = JournalFiles(path, "FULL")
    wal = Path(f"{path}-wal")
    assert wal.stat().st_size >= WAL_PAGES * 4096
    assert wal.stat().st_blocks * 512 >= WAL_PAGES * 4096
    files.close()
    assert not wal.exists()
    assert not Path(f"{path}-shm").exists()


OTHER = """
import sqlite3, sys
con = sqlite3.connect(sys.argv[1])
print(con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
"""


def test_allocating_the_wal_keeps_sqlites_locks(path: Path) -> None:
    files = JournalFiles(path, "FULL")
    try:
        files.reader.execute("BEGIN")
        files.reader.execute("SELECT * FROM facts").fetchall()
        files.writer.execute("INSERT INTO facts VALUES ('a', 'b')")
        for _ in range(3):
            assert files.room.secure()
        asked = subprocess.run(
            [sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, check=True
        )
        assert asked.stdout.strip() == "1", "it could cut a WAL that is being read"
    finally:
        files.reader.execute("COMMIT")
        files.close()


def test_a_disk_with_little_room_counts_as_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = JournalFiles(path, "FULL")
    try:
        room = Room(path)
        for free, has_room, secured in (
            (FREE_BYTES - 1, False, False),
            (FREE_BYTES, True, False),
            (2 * FREE_BYTES, True, True),
        ):
            monkeypatch.setattr(room, "_free_bytes", lambda free=free: free)
            assert room.has_room() is has_room
            assert room.secure() is secured
        room.close()
    finally:
        files.close()


def test_a_journal_that_is_read_only_elsewhere_still_reads(path: Path) -> None:
    files = JournalFiles(path, "FULL")
    try:
        files.writer.execute("INSERT INTO facts VALUES ('a', 'b')")
        other = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        assert other.execute("SELECT value FROM facts").fetchall() == [("b",)]
        other.close()
    finally:
        files.close()
