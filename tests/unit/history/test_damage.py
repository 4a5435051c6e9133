"""Damage that SQLite meets while the journal is open, and progress reports of a long start."""

import logging
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.errors import JournalError
from derhead.history import Journal, open_journal
from derhead.history.file.activity import Activity
from derhead.history.file.schema import JournalFiles
from derhead.history.journal import opening
from derhead.history.sql.page_request import PageRequest
from derhead.history.writing.record_store import Group, Store
from derproto.base.runtime import virtual_runtime
from derproto.system.systemd import Notifier
from tests.support.epoch import T0
from tests.support.history.records import dispatch, gap, sample

PAGE = 4096


@pytest.fixture
def hurt(tmp_path: Path) -> Path:
    """A journal that was closed in order, with one page of telemetry overwritten afterwards."""
    path = tmp_path / "journal.db"
    files = JournalFiles(path, "OFF")
    store = Store(files.writer)
    store.commit(Group(batches=([sample(n) for n in range(5000)],), writes=((dispatch("d"),),)))
    files.close()
    with closing(sqlite3.connect(path)) as con:
        leaves = con.execute(
            "SELECT pageno FROM dbstat WHERE name = 'telemetry' AND pagetype = 'leaf' ORDER BY path"
        ).fetchall()
    with path.open("r+b") as file:
        file.seek((leaves[len(leaves) // 2][0] - 1) * PAGE)
        file.write(random.Random(1).randbytes(PAGE))
    return path


async def by_query(journal: Journal) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        await journal.telemetry_history("asset-1", PageRequest(5000))


async def by_commit(journal: Journal) -> None:
    again = [sample(n) for n in range(2000, 3000)]
    await journal.append_telemetry(again, lambda: pytest.fail("acknowledged"))
    await trio.sleep(1)


@pytest.mark.parametrize("met", [by_query, by_commit])
async def test_after_damage_nothing_is_stored_until_a_restart_salvages(
    hurt: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, met: object
) -> None:
    assert callable(met)
    runtime = virtual_runtime(T0)
    async with open_journal(hurt, runtime, synchronous="OFF") as journal:
        assert journal.salvaged is None
        await met(journal)
        statistics = journal.statistics()
        assert statistics.failing_since_us is not None
        assert "Restart the headend" in statistics.failing_reason
        with pytest.raises(JournalError, match="damaged"):
            await journal.write(dispatch("later"))
        acknowledged: list[int] = []
        await journal.append_telemetry([sample(9000)], lambda: acknowledged.append(1))
        await trio.sleep(3600)
        assert acknowledged == []
        # Queries read what can be read.
        assert await journal.dispatch("d") == dispatch("d")
        failed = journal.statistics().failed_commits
    told = [r.message for r in caplog.records if r.levelno == logging.CRITICAL]
    assert len(told) == 1
    assert failed <= 1
    async with open_journal(hurt, runtime, synchronous="OFF") as journal:
        assert journal.salvaged is not None
        await journal.write(dispatch("later"))
        left = (await journal.telemetry_history("asset-1", PageRequest(5000))).items
        assert 4900 < len(left) < 5000
        assert await journal.dispatch("d") == dispatch("d")


def spoil_schema(path: Path) -> None:
    """Puts junk into the schema, and makes every connection read it anew."""
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        (version,) = con.execute("PRAGMA schema_version").fetchone()
        con.execute("PRAGMA writable_schema = ON")
        con.execute(
            "UPDATE sqlite_schema SET name = CAST(x'd8' AS TEXT), sql = 'junk'"
            " WHERE name = 'service_levels_by_asset'"
        )
        con.execute(f"PRAGMA schema_version = {version + 1}")


@pytest.mark.parametrize("met", [by_query, by_commit])
async def test_a_message_of_sqlite_that_is_no_text_is_damage(
    tmp_path: Path, autojump_clock: MockClock, met: object
) -> None:
    """SQLite quotes the junk, and Python cannot decode the message."""
    assert callable(met)
    path = tmp_path / "journal.db"
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await journal.write(dispatch("d"))
        spoil_schema(path)
        await met(journal)
        with pytest.raises(JournalError, match="damaged"):
            await journal.write(dispatch("later"))
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        assert journal.salvaged is not None
        assert await journal.dispatch("d") == dispatch("d")


@pytest.mark.parametrize("column", ["agent_id", "end_us"])
async def test_a_text_that_is_not_utf8_spoils_its_row_until_the_next_start(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        journal.note(gap("g-1", start_us=T0))
        journal.note(gap("g-2", start_us=T0 + 10**7))
        await journal.write(dispatch("d"))
    with closing(sqlite3.connect(path)) as con:
        con.execute(f"UPDATE gaps SET {column} = CAST(x'ff' AS TEXT) WHERE id = 'g-1'")
        con.commit()
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        for _ in range(2):
            with pytest.raises(JournalError, match="cannot be read: Could not decode"):
                await journal.gaps("asset-1", PageRequest(10))
        # Orders and telemetry are stored: the rest of the file is sound.
        await journal.write(dispatch("later"))
        assert journal.statistics().failing_since_us is None
    assert caplog.text.count("a text in the journal is damaged") == 1
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        assert journal.salvaged is not None
        assert "1 readable rows were left out" in journal.salvaged.summary()
        assert [each.id for each in (await journal.gaps("asset-1", PageRequest(10))).items] == [
            "g-2"
        ]
        assert await journal.dispatch("later") == dispatch("later")


class Told(Notifier):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def busy(self, status: str, within_s: float) -> None:
        assert within_s > 2 * opening.TELL_S
        self.lines.append(status)


async def test_a_long_start_reports_its_progress(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    progress, told = Activity(), Told()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opening.tell, progress, told)
        await trio.sleep(7)
        progress.doing = "checking the journal"
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
    assert told.lines == [
        "opening the journal, 5 s so far",
        "checking the journal, 10 s so far",
        "checking the journal, 15 s so far",
        "checking the journal, 20 s so far",
    ]
    assert [line.partition(" event=")[2] for line in caplog.text.splitlines()] == [
        f'"the journal is being opened" doing="{doing}" for_s={for_s} logger={opening.__name__}'
        for doing, for_s in (("checking the journal", 10), ("checking the journal", 20))
    ]
