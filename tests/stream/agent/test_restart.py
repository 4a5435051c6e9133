"""An agent that is stopped or killed, and starts again on the same folder."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from deragent.tasks.timeline_writer import MARK_S
from deragent.timelines.absence import Stamp
from deragent.timelines.timed_orders import Moment
from deragent.timelines.timeline_file import FILE, SET_ASIDE, DataFolderError, TimelineFile
from deragent.timelines.timeline_format import SavedTimelines, write_timelines
from derproto.configuration.fleet import Failsafe
from derproto.der import v1
from tests.stream.agent.conftest import Bench, up
from tests.stream.agent.fakes import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    HOLD,
    RECEIVED,
    STARTED,
    FakeSession,
)
from tests.support.epoch import T0

T = TypeVar("T")


async def stop(bench: Bench, session: FakeSession) -> None:
    """Stops the agent as SIGTERM does."""
    bench.stopping.set()
    await bench.headend.wait_until(lambda: session.ended_s is not None)
    await trio.sleep(0.1)
    bench.stopping = trio.Event()


def no_room(_store: TimelineFile, _data: bytes) -> None:
    """A full disk, in place of ``TimelineFile.save``."""
    raise OSError(28, "No space left on device")


def told(session: FakeSession) -> list[tuple[str, v1.DispatchState, int]]:
    """The dispatches in Register: id, state, revision."""
    return [
        (r.dispatch_id, v1.DispatchState(r.state), r.revision) for r in session.register.dispatches
    ]


@pytest.mark.parametrize("killed", [False, True])
async def test_the_telemetry_period_survives_a_restart_without_the_headend(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, killed: bool
) -> None:
    bench.headend.welcome.telemetry_period_ms = 500
    with trio.CancelScope() as life:
        async with trio.open_nursery() as bench.nursery:
            session = await bench.start_session(data=tmp_path)
            await trio.sleep(3)
            bench.network.refuse("headend", True)
            if killed:
                left = (tmp_path / FILE).read_bytes()
                life.cancel()
            else:
                await stop(bench, session)
    if killed:
        # A kill would have prevented the last write, at cancellation.
        (tmp_path / FILE).write_bytes(left)
    async with trio.open_nursery() as bench.nursery:
        await bench.start_agent(data=tmp_path, seed=2)
        reads = bench.devices[0].reads
        await trio.sleep(10)
        assert bench.devices[0].reads - reads == 20
        bench.nursery.cancel_scope.cancel()


async def test_a_stopped_agent_resumes_what_is_left_of_a_window(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=600)
    await session.order("d2", 0.5, delay_s=700, seconds=100)
    await bench.headend.wait_states(RECEIVED, RECEIVED, STARTED)
    await trio.sleep(100)
    stopped_s = trio.current_time()
    await stop(bench, session)
    assert bench.devices[0].told[-1] == (round(stopped_s, 1), 0.0)
    await trio.sleep(50)
    await bench.start_agent(data=tmp_path, seed=2)
    back = await bench.headend.wait_session(2)
    assert {(d, state) for d, state, _ in told(back)} == {("d1", STARTED), ("d2", RECEIVED)}
    await trio.sleep(1)
    # The device took the order again before Register was sent, or after.
    said = [*back.register.dispatches, *(report for _, report in back.reports)]
    (report,) = [r for r in said if r.dispatch_id == "d1" and r.revision > 2]
    resumed_s = bench.devices[0].told[-1][0]
    assert resumed_s > stopped_s + 50
    assert report.interrupted_us == pytest.approx((resumed_s - stopped_s) * 1e6, abs=2e5)
    assert report.revision == 3
    await trio.sleep(1000)
    assert bench.devices[0].told[-4:] == [
        (resumed_s, 1.5),
        (600, 0.0),
        (700, 0.5),
        (800, 0.0),
    ]
    assert back.states[-3:] == [COMPLETED, STARTED, COMPLETED]


async def test_a_window_that_ended_while_the_agent_was_down(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=60)
    await session.order("d2", 1.5, delay_s=70, seconds=20)
    await bench.headend.wait_states(RECEIVED, RECEIVED, STARTED)
    await stop(bench, session)
    await trio.sleep(1000)
    await bench.start_agent(data=tmp_path, seed=2)
    back = await bench.headend.wait_session(2)
    await trio.sleep(1)
    last = {r.dispatch_id: r for r in back.register.dispatches}
    last |= {r.dispatch_id: r for _, r in back.reports}
    assert {k: r.state for k, r in last.items()} == {"d1": COMPLETED, "d2": EXPIRED}
    assert last["d1"].interrupted_us == pytest.approx(60e6, abs=1e5)
    assert last["d1"].ts_us == pytest.approx(T0 + 60_000_000, abs=1e5)
    assert bench.devices[0].mw == 0.0


async def test_an_id_is_applied_once_over_restarts(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=60)
    cancel = v1.Cancel(dispatch_id="d2", asset_index=0)
    await session.send(v1.HeadendMessage(cancel=cancel))
    await trio.sleep(100)
    await stop(bench, session)
    bench.devices[0].told.clear()
    await trio.sleep(23 * 3600)
    await bench.start_agent(data=tmp_path, seed=2)
    back = await bench.headend.wait_session(2)
    assert set(told(back)) == {("d1", COMPLETED, 3), ("d2", CANCELLED, 1)}
    await back.order("d1", 1.5, seconds=60)
    await back.order("d2", 1.5, seconds=60)
    await trio.sleep(10)
    assert [(r.dispatch_id, r.state) for _, r in back.reports] == [
        ("d1", COMPLETED),
        ("d2", CANCELLED),
    ]
    assert 1.5 not in [mw for _, mw in bench.devices[0].told]


async def test_reports_and_orders_wait_until_they_are_on_disk(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, bool]] = []
    save = TimelineFile.save

    def note_save(store: TimelineFile, data: bytes) -> None:
        session = bench.headend.session
        heard.append(("said", bool(session.reports)))
        heard.append(("done", bool(bench.devices[0].told)))
        save(store, data)

    session = await bench.start_session(data=tmp_path)
    await trio.sleep(1)
    monkeypatch.setattr(TimelineFile, "save", note_save)
    await session.order("d1", 1.5, seconds=600)
    await bench.headend.wait_states(RECEIVED, STARTED)
    # The first write came before anything else, the second before `started` was sent.
    assert heard[:2] == [("said", False), ("done", False)]
    assert heard[3] == ("done", True)
    assert len(heard) == 4


async def test_a_full_disk_delays_orders_and_not_their_ends(
    autojump_clock: MockClock,
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=100)
    await bench.headend.wait_states(RECEIVED, STARTED)
    with monkeypatch.context() as full:
        full.setattr(TimelineFile, "save", no_room)
        await session.order("d2", 0.5, delay_s=120, seconds=1000)
        await session.order("d3", 0.5, delay_s=105, seconds=5)
        await trio.sleep(150)
        # d3 was never told; its device is told its default to make sure.
        assert bench.devices[0].told == [(0, 1.5), (100, 0.0), (110, 0.0)]
        assert session.states == [RECEIVED, STARTED]
    await trio.sleep(5)
    last = {r.dispatch_id: r.state for _, r in session.reports}
    assert last == {"d1": COMPLETED, "d2": STARTED, "d3": EXPIRED}
    assert caplog.text.count("timelines cannot be written") == 1
    assert "timelines are written again" in caplog.text


async def test_register_carries_orders_that_wait_for_the_disk(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise the headend would assume that it never arrived, and withdraw it silently.
    monkeypatch.setattr(TimelineFile, "save", no_room)
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=100)
    await trio.sleep(5)
    assert session.reports == []
    bench.cut_link()
    back = await bench.headend.wait_session(2)
    assert told(back) == [("d1", RECEIVED, 1)]
    assert bench.devices[0].told == []


async def test_a_device_stays_at_its_default_if_a_full_disk_kept_its_order(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=1000)
    await bench.headend.wait_states(RECEIVED, STARTED)
    with monkeypatch.context() as full:
        full.setattr(TimelineFile, "save", no_room)
        # It takes the place of d1, whose window is longer, and ends unused.
        await session.order("d2", 0.5, seconds=50)
        await trio.sleep(60)
        assert bench.devices[0].told == [(0, 1.5), (50, 0.0)]
    await trio.sleep(5)
    last = {r.dispatch_id: r for _, r in session.reports}
    assert last["d1"].state == v1.DispatchState.SUPERSEDED
    assert (last["d2"].state, last["d2"].reason) == (EXPIRED, v1.DispatchReason.UNSPECIFIED)
    assert bench.devices[0].told == [(0, 1.5), (50, 0.0)]


async def test_a_full_disk_does_not_keep_a_device_beyond_its_last_window(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=100)
    await bench.headend.wait_states(RECEIVED, STARTED)
    with monkeypatch.context() as full:
        full.setattr(TimelineFile, "save", no_room)
        await trio.sleep(10)
        # It takes the place of d1 and cannot be told: its device stays with d1, to d1's end.
        await session.order("d2", 0.5, seconds=1000)
        await trio.sleep(200)
        assert bench.devices[0].told == [(0, 1.5), (100, 0.0)]
    await trio.sleep(5)
    assert [mw for _, mw in bench.devices[0].told] == [1.5, 0.0, 0.5]


@pytest.mark.parametrize("damage", [b"", b"deragent-timelines 99 0\n{}"])
async def test_a_file_that_cannot_be_read_is_set_aside(
    autojump_clock: MockClock,
    bench: Bench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: bytes,
) -> None:
    (tmp_path / FILE).write_bytes(damage)
    session = await bench.start_session(data=tmp_path)
    await trio.sleep(1)
    assert (tmp_path / SET_ASIDE).read_bytes() == damage
    assert "no dispatch is remembered, and devices go to their defaults" in caplog.text
    assert bench.devices[0].told == [(0, 0.0)]
    await session.order("d1", 1.5, seconds=600)
    await bench.headend.wait_states(RECEIVED, STARTED)


@pytest.mark.parametrize(("period_s", "kept_s"), [(0.0, 0.1), (1e9, 3600.0)])
async def test_a_period_from_the_file_stays_within_the_bounds(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, period_s: float, kept_s: float
) -> None:
    saved = SavedTimelines(Stamp(T0), Moment(0.0, T0, 0.0), {}, period_s)
    (tmp_path / FILE).write_bytes(write_timelines(saved))
    await bench.start_agent(data=tmp_path)
    assert bench.board is not None
    assert bench.board.telemetry_period_s.value == kept_s


async def test_two_agents_on_one_folder(
    autojump_clock: MockClock, bench: Bench, other_bench: Bench, tmp_path: Path
) -> None:
    await bench.start_agent(data=tmp_path)
    with pytest.raises(DataFolderError):
        await other_bench.start_agent(data=tmp_path)


async def test_an_asset_that_is_not_served_any_more_is_logged(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = await bench.start_session(assets=2, data=tmp_path)
    await session.order("d1", 1.5, index=1)
    await bench.headend.wait_states(RECEIVED, STARTED)
    await stop(bench, session)
    await bench.start_agent(assets=1, data=tmp_path, seed=2)
    back = await bench.headend.wait_session(2)
    assert told(back) == []
    assert "is not served any more" in caplog.text


async def test_a_long_silence_survives_a_restart(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    session = await bench.start_session(data=tmp_path, failsafe=Failsafe(300.0))
    await session.order("d1", 1.5, seconds=5000)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.headend_leaves()
    await trio.sleep(200)
    bench.stopping.set()
    await trio.sleep(5)
    bench.stopping = trio.Event()
    begun_s = trio.current_time()
    await bench.start_agent(data=tmp_path, failsafe=Failsafe(300.0), seed=2)
    await trio.sleep(200)
    # Resumed at once, and suspended when the whole silence reached 300 s.
    assert bench.devices[0].told[-2:] == [(round(begun_s, 1), 1.5), (300, 0.0)]


@pytest.mark.parametrize("stood_still_s", [0, 40, 90])
async def test_a_reboot_waits_for_the_headend_and_its_clock(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, stood_still_s: int
) -> None:
    session = await bench.start_session(data=tmp_path)
    await session.order("d1", 1.5, seconds=150)
    await bench.headend.wait_states(RECEIVED, STARTED)
    await stop(bench, session)
    bench.headend_leaves()
    await trio.sleep(100)
    true_us = bench.runtime.wall_us
    bench.runtime = replace(
        bench.runtime,
        wall_us=lambda: true_us() - stood_still_s * 1_000_000,
        since_boot=up("boot-2"),
    )
    bench.devices[0].told.clear()
    await bench.start_agent(data=tmp_path, seed=2)
    await trio.sleep(20)
    # The silence of the headend is unknown: the device is at its default.
    assert {mw for _, mw in bench.devices[0].told} == {0.0}
    bench.devices[0].told.clear()
    bench.headend_returns()
    await bench.headend.wait_session(2)
    back_s = round(trio.current_time(), 1)
    await trio.sleep(200)
    assert bench.devices[0].told == [(back_s, 1.5), (150, 0.0)]


async def test_a_window_that_is_over_by_the_headends_clock_is_not_resumed(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    session = await bench.start_session(data=tmp_path, failsafe=HOLD)
    await session.order("d1", 1.5, seconds=150)
    await bench.headend.wait_states(RECEIVED, STARTED)
    await stop(bench, session)
    await trio.sleep(1000)
    true_us = bench.runtime.wall_us
    bench.runtime = replace(
        bench.runtime, wall_us=lambda: true_us() - 990_000_000, since_boot=up("boot-2")
    )
    await bench.start_agent(data=tmp_path, seed=2, failsafe=HOLD)
    await trio.sleep(10)
    back = await bench.headend.wait_session(2)
    last = {r.dispatch_id: r for _, r in back.reports}["d1"]
    assert last.state is COMPLETED
    assert last.interrupted_us == pytest.approx(150e6, abs=1e6)
    assert bench.devices[0].mw == 0.0


async def test_the_file_is_written_now_and_then_while_an_order_is_in_force(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[float] = []
    save = TimelineFile.save

    def note_save(store: TimelineFile, data: bytes) -> None:
        writes.append(trio.current_time())
        save(store, data)

    monkeypatch.setattr(TimelineFile, "save", note_save)
    session = await bench.start_session(data=tmp_path, failsafe=HOLD)
    await trio.sleep(1000)
    assert writes == []
    await session.order("d1", 1.5, seconds=100)
    await trio.sleep(1000)
    begun = writes[0]
    assert [round(at - begun) for at in writes[2:5]] == [MARK_S, 2 * MARK_S, 3 * MARK_S]
    assert len(writes) <= 8
