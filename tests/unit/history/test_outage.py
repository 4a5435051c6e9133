"""A disk that fails and works again: the operating system refuses real writes."""

import logging
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.errors import JournalError
from derhead.history import Journal, open_journal
from derhead.history.sql.page_request import PageRequest
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0, S
from tests.support.history.records import dispatch, heartbeat, sample, session

ROOM_BYTES = 60_000
"""Room that is left on a nearly full disk: for some pages, but for no batch."""


def used_bytes(wal: Path) -> int:
    """The written length of the WAL; the zeros of its allocation follow."""
    return len(wal.read_bytes().rstrip(b"\0"))


@contextmanager
def full_disk(path: Path, room_bytes: int = 0) -> Iterator[None]:
    """Limits every file of this process to the WAL's length and some room."""
    wal = path.with_name(path.name + "-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (used_bytes(wal) + room_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def filled(journal: Journal) -> None:
    """A WAL so long that no other file of the process comes near its limit."""
    for n in range(40):
        batch = [sample(1000 * n + k, asset="filler") for k in range(1000)]
        durable = trio.Event()
        await journal.append_telemetry(batch, durable.set)
        await durable.wait()


async def test_telemetry_survives_an_outage_and_writes_are_told(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledged: list[str] = []
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await filled(journal)
        await journal.write(session())
        with full_disk(path):
            await journal.append_telemetry([sample(1)], lambda: acknowledged.append("first"))
            journal.note(heartbeat(S))
            await trio.sleep(10)
            await journal.append_telemetry([sample(2)], lambda: acknowledged.append("second"))
            with pytest.raises(JournalError, match="could not store"):
                await journal.write(dispatch("refused"), session("refused"))
            assert acknowledged == []
            statistics = journal.statistics()
            assert statistics.buffered_rows == 2
            assert statistics.failing_since_us is not None
            assert T0 < statistics.failing_since_us < T0 + 15 * S
            assert 10 <= statistics.failed_commits <= 14
        await trio.sleep(1.1)
        assert acknowledged == ["first", "second"]
        assert journal.statistics().failing_since_us is None
        page = await journal.telemetry_history("asset-1", PageRequest(10))
        assert [each.seq for each in page.items] == [2, 1]
        assert await journal.latest_heartbeats() == [heartbeat(S)]
        assert await journal.open_dispatches() == []
        assert await journal.last_sessions() == [session()]
        await journal.write(dispatch("taken"))
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.levelname for record in told] == ["ERROR", "WARNING"]
    assert "commits work again" in told[1].message


async def test_a_dispatch_that_still_fits_is_stored_while_telemetry_waits(
    path: Path, autojump_clock: MockClock
) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await filled(journal)
        with full_disk(path, ROOM_BYTES):
            many = [sample(n) for n in range(3_000)]
            await journal.append_telemetry(many, lambda: None)
            await journal.write(dispatch("d"))
            assert await journal.dispatch("d") == dispatch("d")
            assert journal.statistics().failing_since_us is not None
            assert journal.statistics().buffered_rows == 3_000
        await trio.sleep(1.1)
        assert journal.statistics().buffered_rows == 0
        assert journal.statistics().failing_since_us is None


async def test_a_full_buffer_holds_callers_until_the_disk_works(
    path: Path, autojump_clock: MockClock
) -> None:
    async with open_journal(
        path, virtual_runtime(T0), synchronous="OFF", buffer_rows=1_000
    ) as journal:
        await filled(journal)
        with full_disk(path):
            await journal.append_telemetry([sample(n) for n in range(1_000)], lambda: None)
            with trio.move_on_after(60) as scope:
                await journal.append_telemetry([sample(2_000)], lambda: None)
            assert scope.cancelled_caught
        await journal.append_telemetry([sample(2_000)], lambda: None)
    assert journal.statistics().rows == 41_001


async def test_closing_on_a_full_disk_logs_what_was_not_stored(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledged: list[int] = []
    with ExitStack() as outage:
        async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
            await filled(journal)
            outage.enter_context(full_disk(path))
            await journal.append_telemetry([sample(1)], lambda: acknowledged.append(1))
    assert acknowledged == []
    assert "closing with rows of telemetry not stored" in caplog.text
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        assert (await journal.telemetry_history("asset-1", PageRequest(1))).items == ()


async def test_without_records_a_probe_finds_that_commits_work_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path, virtual_runtime(T0)) as journal:
        await filled(journal)
        with full_disk(path):
            with pytest.raises(JournalError):
                await journal.write(dispatch("d"))
            await trio.sleep(60)
            assert journal.statistics().failing_since_us is not None
        await trio.sleep(2)
        assert journal.statistics().failing_since_us is None
