"""Setpoints on their way to the device: applied once, ended in time, always reported."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventKind
from derproto.der import v1
from tests.stream.agent.conftest import Bench
from tests.stream.agent.fakes import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    FAILED,
    HOLD,
    RECEIVED,
    REJECTED,
    STARTED,
    SUPERSEDED,
)
from tests.support.epoch import T0, S


async def test_a_setpoint_from_its_arrival_to_its_end(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await trio.sleep(100)
    await session.order("d1", 1.5, seconds=600)
    await trio.sleep(1000)
    assert bench.devices[0].told == [(100, 1.5), (700, 0.0)]
    assert [(round(at), r.dispatch_id, r.state, r.applied_mw) for at, r in session.reports] == [
        (100, "d1", RECEIVED, None),
        (100, "d1", STARTED, 1.5),
        (700, "d1", COMPLETED, 1.5),
    ]
    assert session.reports[-1][1].ts_us == T0 + 700 * S
    assert [d["state"] for d in bench.details(EventKind.DISPATCH)] == [
        "received",
        "started",
        "completed",
    ]


async def test_an_asset_without_a_default_is_given_back_to_its_own_control(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(default_mw=None)
    await trio.sleep(100)
    await session.order("d1", 1.5, seconds=600)
    await trio.sleep(1000)
    assert bench.devices[0].told == [(100, 1.5), (700, None)]
    assert session.states == [RECEIVED, STARTED, COMPLETED]


async def test_an_order_without_end_holds_until_cancelled(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.slow_down()
    session = await bench.start_session(failsafe=HOLD)
    await session.order("d1", -1.0)
    await trio.sleep(80_000)
    assert session.states == [RECEIVED, STARTED]
    assert bench.devices[0].mw == -1.0
    await session.send(v1.HeadendMessage(cancel=v1.Cancel(dispatch_id="d1", reason="as asked")))
    await bench.headend.wait_states(RECEIVED, STARTED, CANCELLED)
    assert session.reports[-1][1].detail == "as asked"
    assert bench.devices[0].mw == 0.0


async def test_a_delayed_start_is_waited_for(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.0, delay_s=300, seconds=60)
    await bench.headend.wait_states(RECEIVED)
    await trio.sleep(1000)
    assert session.states == [RECEIVED, STARTED, COMPLETED]
    assert bench.devices[0].told == [(300, 1.0), (360, 0.0)]


async def test_the_same_id_is_applied_once(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.0, seconds=100)
    await trio.sleep(50)
    await session.order("d1", 2.0, seconds=100)
    await trio.sleep(100)
    await session.order("d1", 1.0, seconds=100)
    await trio.sleep(1)
    assert session.states == [RECEIVED, STARTED, STARTED, COMPLETED, COMPLETED]
    assert bench.devices[0].told == [(0.0, 1.0), (100, 0.0)]


async def test_a_newer_order_replaces_and_a_stronger_one_stays(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.0)
    await session.order("d2", 0.5)
    await session.order("weaker", 0.1, priority=200)
    await trio.sleep(1)
    last = {report.dispatch_id: report for _, report in session.reports}
    assert last["d1"].state is SUPERSEDED
    assert last["d1"].detail == "gave way to dispatch d2"
    assert last["d2"].state is STARTED
    assert last["weaker"].state is SUPERSEDED
    # No default in between: the device goes from one order to the next.
    assert [mw for _, mw in bench.devices[0].told] in ([1.0, 0.5], [0.5])


@pytest.mark.parametrize("mw", [2.1, -5.0, float("nan"), float("inf")])
async def test_an_order_beyond_the_limits_is_rejected(
    autojump_clock: MockClock, bench: Bench, mw: float
) -> None:
    session = await bench.start_session()
    await session.order("d1", mw)
    await bench.headend.wait_states(REJECTED)
    assert session.reports[0][1].reason is v1.DispatchReason.OUT_OF_RANGE
    assert bench.devices[0].told == []


async def test_a_device_error_fails_the_dispatch_and_the_default_is_retried(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    bench.devices[0].broken = True
    await session.order("d1", 1.0, seconds=600)
    await bench.headend.wait_states(RECEIVED, FAILED)
    report = session.reports[-1][1]
    assert report.reason is v1.DispatchReason.HARDWARE_ERROR
    assert report.detail == "no answer on the bus"
    assert report.applied_mw is None
    assert trio.current_time() == 4
    await trio.sleep(12)
    bench.devices[0].broken = False
    await trio.sleep(60)
    assert bench.devices[0].told == [(19, 0.0)]


async def test_a_device_that_hangs_fails_in_time_and_holds_up_no_report(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(assets=2)
    bench.devices[0].hung = True
    await session.order("d1", 1.0)
    await session.order("d2", 1.0, index=1)
    await trio.sleep(1)
    await session.order("d3", 1.5)
    await trio.sleep(1)
    assert [(r.dispatch_id, r.state) for _, r in session.reports] == [
        ("d1", RECEIVED),
        ("d2", RECEIVED),
        ("d2", STARTED),
        ("d1", SUPERSEDED),
        ("d3", RECEIVED),
    ]
    bench.devices[0].hung = False
    await trio.sleep(10)
    assert (session.reports[-1][1].dispatch_id, session.reports[-1][1].state) == ("d3", STARTED)
    assert bench.devices[0].told == [(5, 1.5)]


async def test_a_stalled_link_shortens_what_is_left_of_a_window(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await trio.sleep(60)
    bench.network.stall("headend", True)
    await session.order("d1", 1.0, seconds=30)
    await session.order("late", 1.0, delay_s=0, seconds=10)
    await trio.sleep(20)
    bench.network.stall("headend", False)
    await trio.sleep(60)
    last = {report.dispatch_id: report.state for _, report in session.reports}
    assert last == {"d1": COMPLETED, "late": EXPIRED}
    assert bench.devices[0].told == [
        (80, 1.0),
        (90, 0.0),
    ]


async def test_a_stalled_link_moves_no_start(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session()
    await trio.sleep(60)
    bench.network.stall("headend", True)
    await session.order("ahead", 1.0, delay_s=30, seconds=20)
    await session.order("begun", 0.5, delay_s=5, seconds=20)
    await trio.sleep(15)
    bench.network.stall("headend", False)
    await trio.sleep(60)
    assert bench.devices[0].told == [(75, 0.5), (85, 0.0), (90, 1.0), (110, 0.0)]


@pytest.mark.parametrize("off_s", [-5 * 3600, 7 * 3600])
async def test_windows_do_not_depend_on_the_agents_clock(
    autojump_clock: MockClock, bench: Bench, off_s: int
) -> None:
    started_s = trio.current_time()

    def wall_us() -> int:
        # Wrong by hours, and set right in the midst of the windows.
        wrong_s = off_s if trio.current_time() < started_s + 50 else 0
        return T0 + round((trio.current_time() - started_s + wrong_s) * 1e6)

    bench.runtime = replace(bench.runtime, wall_us=wall_us)
    session = await bench.start_session()
    await session.order("d1", 1.0, delay_s=20, seconds=60)
    await session.order("d2", 0.5, delay_s=100, seconds=60)
    await trio.sleep(200)
    assert bench.devices[0].told == [(20, 1.0), (80, 0.0), (100, 0.5), (160, 0.0)]
    assert session.register.clock_us == T0 + off_s * 1_000_000
    assert session.states == [RECEIVED, RECEIVED, STARTED, COMPLETED, STARTED, COMPLETED]


async def test_a_device_holds_the_ramp_and_gets_its_default_without_one(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.0, seconds=60, ramp_mw_per_s=0.1)
    await trio.sleep(100)
    assert bench.devices[0].ramps == [0.1, None]


async def test_an_order_superseded_while_the_device_was_told_does_not_stand(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    device = bench.devices[0]
    device.slow_s = 3.0
    await session.order("d1", 1.0)
    await trio.sleep(1)
    await session.order("d2", 1.5)
    await session.order("d3", 0.5)
    await trio.sleep(10)
    assert device.told == [(3, 1.0), (6, 0.5)]
    assert device.most_at_once == 1
    device.slow_s = 4.0
    await session.order("d4", 2.0, seconds=2)
    await trio.sleep(10)
    # Its window ended while the device was being told: it is not told any longer.
    assert device.told[2:] == [(trio.current_time() - 4, 0.0)]


async def test_a_window_ends_while_the_headend_is_away(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.slow_down()
    session = await bench.start_session(failsafe=HOLD)
    await session.order("held", 1.0, seconds=1000)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.headend_leaves()
    await trio.sleep(600)
    assert bench.devices[0].mw == 1.0
    bench.headend_returns()
    register = (await bench.headend.wait_session(2)).register
    assert [(r.dispatch_id, r.state, r.applied_mw) for r in register.dispatches] == [
        ("held", STARTED, 1.0)
    ]
    bench.headend_leaves()
    await trio.sleep(600)
    assert bench.devices[0].told[-1] == (1000, 0.0)
    bench.headend_returns()
    third = await bench.headend.wait_session(3)
    assert [(r.dispatch_id, r.state) for r in third.register.dispatches] == [("held", COMPLETED)]
    # Register said it; it is not said again.
    await trio.sleep(60)
    assert third.reports == []
    await trio.sleep(25 * 3600)
    bench.cut_link()
    fourth = await bench.headend.wait_session(4)
    assert fourth.register.dispatches == []


async def test_a_stopping_agent_gives_its_device_the_default(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(assets=2)
    await session.order("d1", 1.0)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.stopping.set()
    await bench.headend.wait_until(lambda: session.ended_s is not None)
    await trio.sleep(1)
    assert bench.devices[0].mw == 0.0
    assert bench.devices[1].told == []


async def test_a_setpoint_for_an_unknown_asset_is_counted(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.0, index=7)
    await trio.sleep(1)
    assert session.reports == []
    assert bench.statistics.ignored_messages == 1
