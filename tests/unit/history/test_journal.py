"""The open journal in virtual time: when calls return, and what is durable then."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.errors import JournalError
from derhead.history import Journal, JournalStatistics, open_journal
from derhead.history.journal.committer import FLUSH_S
from derhead.history.sql.page_request import PageRequest
from derproto.base.runtime import Runtime, virtual_runtime
from tests.support.epoch import T0, S
from tests.support.history.records import dispatch, heartbeat, sample, session

T = TypeVar("T")


def nothing() -> None:
    """An acknowledgement that nobody waits for."""


async def stored(journal: Journal, asset: str = "asset-1") -> list[int]:
    page = await journal.telemetry_history(asset, PageRequest(100_000))
    return [each.seq for each in page.items]


async def test_telemetry_is_durable_within_its_group_and_acknowledged_after(
    path: Path, autojump_clock: MockClock
) -> None:
    acknowledged: list[tuple[str, float]] = []

    def note_as(name: str) -> Callable[[], None]:
        return lambda: acknowledged.append((name, trio.current_time() - began_s))

    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        began_s = trio.current_time()
        await journal.append_telemetry([sample(1)], note_as("a"))
        await trio.sleep(0.06)
        await journal.append_telemetry([sample(2), sample(3)], note_as("b"))
        assert journal.statistics().buffered_rows == 3
        assert acknowledged == []
        await trio.sleep(0.05)
        assert [name for name, _ in acknowledged] == ["a", "b"]
        assert [at_s for _, at_s in acknowledged] == pytest.approx([0.1, 0.1])
        assert await stored(journal) == [3, 2, 1]
        assert journal.statistics().buffered_rows == 0
        assert journal.statistics().commits == 1


async def test_a_full_batch_commits_at_once(path: Path, autojump_clock: MockClock) -> None:
    durable = trio.Event()
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF", batch_rows=10) as journal:
        began_s = trio.current_time()
        await journal.append_telemetry([sample(n) for n in range(10)], durable.set)
        await durable.wait()
        assert trio.current_time() == began_s


async def test_a_write_returns_durable_at_once_and_takes_telemetry_along(
    path: Path, autojump_clock: MockClock
) -> None:
    durable = trio.Event()
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        began_s = trio.current_time()
        await journal.append_telemetry([sample(1)], durable.set)
        await journal.write(dispatch("d"), session(), heartbeat(S))
        assert trio.current_time() == began_s
        assert durable.is_set()
        assert await journal.dispatch("d") == dispatch("d")
        assert await journal.last_sessions() == [session()]
        assert await journal.latest_heartbeats() == [heartbeat(S)]
        assert journal.statistics().commits == 1


async def test_writes_that_wait_together_share_a_commit(
    path: Path, autojump_clock: MockClock
) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        async with trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(journal.write, dispatch(f"d-{n}"))
        assert len(await journal.open_dispatches()) == 50
        assert journal.statistics().commits <= 2


async def test_a_note_is_stored_with_the_next_group(path: Path, autojump_clock: MockClock) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        journal.note(heartbeat(S))
        journal.note(session(messages=1))
        assert await journal.latest_heartbeats() == []
        await trio.sleep(0.11)
        assert await journal.latest_heartbeats() == [heartbeat(S)]
        assert await journal.last_sessions() == [session(messages=1)]


async def test_an_unstorable_write_is_refused_alone(path: Path, autojump_clock: MockClock) -> None:
    outcomes: dict[str, bool] = {}

    async def attempt(name: str, mw: float) -> None:
        order = dispatch(name)
        object.__setattr__(order, "mw", mw)
        try:
            await journal.write(order)
        except JournalError:
            outcomes[name] = False
        else:
            outcomes[name] = True

    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        async with trio.open_nursery() as nursery:
            for name, mw in (("a", 1.0), ("b", float("nan")), ("c", 1.0)):
                nursery.start_soon(attempt, name, mw)
        assert outcomes == {"a": True, "b": False, "c": True}
        assert {each.id for each in await journal.open_dispatches()} == {"a", "c"}


async def test_a_full_buffer_holds_its_callers_first_come_first_served(
    path: Path, autojump_clock: MockClock
) -> None:
    taken: list[int] = []

    async def append(first: int, rows: int) -> None:
        await journal.append_telemetry([sample(first + n) for n in range(rows)], nothing)
        taken.append(first)

    async with open_journal(
        path, virtual_runtime(T0), synchronous="OFF", batch_rows=100, buffer_rows=30
    ) as journal:
        async with trio.open_nursery() as nursery:
            for first, rows in ((100, 20), (200, 20), (300, 50), (400, 1)):
                nursery.start_soon(append, first, rows)
                await wait_all_tasks_blocked()
            assert taken == [100]
            assert journal.statistics().buffered_rows == 20
        assert taken == [100, 200, 300, 400]
    assert journal.statistics().rows == 91


async def test_a_caller_cancelled_while_waiting_for_room_hands_nothing_in(
    path: Path, autojump_clock: MockClock
) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF", buffer_rows=1) as journal:
        await journal.append_telemetry([sample(1)], nothing)
        with trio.move_on_after(0.05) as scope:
            await journal.append_telemetry([sample(2)], nothing)
        assert scope.cancelled_caught
        await journal.append_telemetry([sample(3)], nothing)
    assert journal.statistics().rows == 2


async def test_a_failing_acknowledgement_ends_nothing(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    durable = trio.Event()

    def fail() -> None:
        raise RuntimeError("a session's fault")

    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await journal.append_telemetry([sample(1)], fail)
        await journal.append_telemetry([sample(2)], durable.set)
        await durable.wait()
    assert "acknowledgement failed" in caplog.text


async def test_closing_commits_waiting_records(path: Path, autojump_clock: MockClock) -> None:
    acknowledged: list[int] = []
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF", batch_rows=2) as journal:
        for seq in range(1, 8):
            await journal.append_telemetry([sample(seq)], partial(acknowledged.append, seq))
        journal.note(heartbeat(S))
    assert acknowledged == list(range(1, 8))
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        assert await stored(journal) == list(range(7, 0, -1))
        assert await journal.latest_heartbeats() == [heartbeat(S)]


async def test_a_cancelled_journal_still_commits_waiting_records(
    path: Path, autojump_clock: MockClock
) -> None:
    with trio.CancelScope() as scope:
        async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
            await journal.append_telemetry([sample(1)], nothing)
            journal.note(heartbeat(S))
            scope.cancel()
            await trio.sleep_forever()
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        assert await stored(journal) == [1]
        assert await journal.latest_heartbeats() == [heartbeat(S)]


async def test_a_closed_journal_takes_nothing(path: Path, autojump_clock: MockClock) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        pass
    with pytest.raises(JournalError, match="closed"):
        await journal.append_telemetry([sample(1)], nothing)
    with pytest.raises(JournalError, match="closed"):
        await journal.write(dispatch("d"))
    with pytest.raises(JournalError, match="closed"):
        journal.note(heartbeat(S))


async def play_an_hour(path: Path) -> JournalStatistics:
    async def agent(number: int) -> None:
        for seq in range(1, 901):
            await journal.append_telemetry(
                [sample(seq, asset=f"asset-{number}", agent=f"agent-{number}", boot=1)], nothing
            )
            if seq % 7 == 0:
                journal.note(heartbeat(seq * S, agent=f"agent-{number}"))
            await trio.sleep(4)

    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(agent, number)
    return journal.statistics()


async def test_an_hour_plays_the_same_every_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    first = await play_an_hour(tmp_path / "a" / "journal.sqlite")
    second = await play_an_hour(tmp_path / "b" / "journal.sqlite")
    assert first == second
    assert (first.rows, first.commits) == (4_500, 900)


def slow_runtime(before_s: float) -> Runtime:
    """Blocking work that waits for a thread, and may be cancelled until it gets one."""

    async def run_blocking(
        work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None
    ) -> T:
        await trio.sleep(before_s)
        return work()

    return Runtime(wall_us=lambda: T0, run_blocking=run_blocking)


async def test_a_commit_cancelled_before_it_began_is_made_at_the_close(
    path: Path, autojump_clock: MockClock
) -> None:
    acknowledged: list[str] = []
    stored_at_s: list[float] = []

    async def write() -> None:
        await journal.write(dispatch("d"))
        stored_at_s.append(trio.current_time() - began_s)

    async with trio.open_nursery() as callers:
        async with open_journal(path, slow_runtime(1.0), synchronous="OFF") as journal:
            began_s = trio.current_time()
            await journal.append_telemetry([sample(1)], partial(acknowledged.append, "rows"))
            callers.start_soon(write)
            await trio.sleep(0.5)
    assert acknowledged == ["rows"]
    assert stored_at_s == [pytest.approx(1.5)]


async def test_closing_gives_up_when_the_disk_hangs(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[str] = []

    async def write() -> None:
        try:
            await journal.write(dispatch("d"))
        except JournalError as error:
            errors.append(str(error))

    hanging = False

    async def run_blocking(
        work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None
    ) -> T:
        # The writer hangs; closing the files uses another limiter and does not.
        if hanging and limiter is journal._committer.limiter:
            await trio.sleep_forever()
        return work()

    runtime = Runtime(wall_us=lambda: T0, run_blocking=run_blocking)
    async with trio.open_nursery() as callers:
        async with open_journal(path, runtime, synchronous="OFF") as journal:
            hanging = True
            await journal.append_telemetry([sample(1)], nothing)
            callers.start_soon(write)
            await wait_all_tasks_blocked()
            began_s = trio.current_time()
        assert trio.current_time() - began_s == pytest.approx(FLUSH_S)
    assert "closing with rows of telemetry not stored" in caplog.text
    assert len(errors) == 1
    assert "the journal was closed" in errors[0]
