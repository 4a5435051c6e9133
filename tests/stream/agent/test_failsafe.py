"""A silent headend: devices go to their failsafe, and come back within their windows."""

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventKind
from derproto.configuration.fleet import Failsafe, FailsafeAction
from derproto.der import v1
from tests.stream.agent.conftest import Bench
from tests.stream.agent.fakes import (
    CANCELLED,
    COMPLETED,
    RECEIVED,
    STARTED,
    SUPERSEDED,
    FakeSession,
)

SILENT = v1.Suspension.LINK_SILENT


def told(session: FakeSession) -> list[tuple[v1.DispatchState, v1.Suspension, float]]:
    """The dispatches in Register: state, suspended, seconds interrupted."""
    return [
        (v1.DispatchState(r.state), v1.Suspension(r.suspended), round(r.interrupted_us / 1e6))
        for r in session.register.dispatches
    ]


async def test_an_order_is_suspended_in_silence_and_resumed(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.5, seconds=600)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.headend_leaves()
    await trio.sleep(100)
    assert bench.devices[0].told == [(0, 1.5), (60, 0.0)]
    bench.headend_returns()
    back = await bench.headend.wait_session(2)
    returned_s = trio.current_time()
    assert told(back) == [(STARTED, SILENT, 0)]
    assert [d["reason"] for d in bench.details(EventKind.DISPATCH)] == [
        "",
        "",
        "suspended: the headend is silent",
    ]
    await bench.headend.wait_states(STARTED)
    resumed = back.reports[0][1]
    assert (resumed.suspended, resumed.applied_mw) == (v1.Suspension.UNSPECIFIED, 1.5)
    assert resumed.interrupted_us == pytest.approx((returned_s - 60) * 1e6, abs=1e5)
    assert resumed.revision == 4
    await trio.sleep(600)
    assert bench.devices[0].told[2:] == [(round(returned_s, 1), 1.5), (600, 0.0)]
    assert [r.state for _, r in back.reports] == [STARTED, COMPLETED]


@pytest.mark.parametrize(
    ("action", "mw"), [(FailsafeAction.DEFAULT, 0.0), (FailsafeAction.RELEASE, None)]
)
async def test_a_window_that_ends_in_silence(
    autojump_clock: MockClock, bench: Bench, action: FailsafeAction, mw: float | None
) -> None:
    session = await bench.start_session(failsafe=Failsafe(20.0, action))
    await session.order("d1", 1.5, seconds=100)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.headend_leaves()
    await trio.sleep(200)
    expected = [(0, 1.5), (20, mw)] + ([(100, 0.0)] if mw is None else [])
    assert bench.devices[0].told == expected
    bench.headend_returns()
    back = await bench.headend.wait_session(2)
    assert told(back) == [(COMPLETED, v1.Suspension.UNSPECIFIED, 80)]


async def test_a_quiet_headend_is_not_a_silent_one(autojump_clock: MockClock, bench: Bench) -> None:
    # As with a full disk: nothing is acknowledged, and Alive comes.
    bench.headend.acks = False
    session = await bench.start_session(failsafe=Failsafe(11.0))
    await session.order("d1", 1.5, seconds=1000)
    await trio.sleep(990)
    assert bench.devices[0].told == [(0, 1.5)]
    assert session.states == [RECEIVED, STARTED]


async def test_a_link_that_carries_nothing_is_silence(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(assets=2)
    await session.order("d1", 1.5)
    await session.order("d2", 1.0, index=1)
    await bench.headend.wait_states(RECEIVED, RECEIVED, STARTED, STARTED)
    await trio.sleep(5)
    bench.network.stall("headend", True)
    await trio.sleep(15)
    assert bench.devices[0].mw == 1.5
    await trio.sleep(50)
    assert (bench.devices[0].mw, bench.devices[1].mw) == (0.0, 0.0)
    bench.network.stall("headend", False)
    await trio.sleep(60)
    assert (bench.devices[0].mw, bench.devices[1].mw) == (1.5, 1.0)


async def test_a_failsafe_of_0_holds(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session(failsafe=Failsafe(0.0))
    await session.order("d1", 1.5, seconds=5000)
    await bench.headend.wait_states(RECEIVED, STARTED)
    bench.headend_leaves()
    await trio.sleep(6000)
    assert bench.devices[0].told == [(0, 1.5), (5000, 0.0)]


async def test_an_order_sent_ahead_starts_without_the_headend(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await session.order("d1", 1.5, delay_s=50, seconds=100)
    await bench.headend.wait_states(RECEIVED)
    bench.headend_leaves()
    await trio.sleep(200)
    # It started alone; the silence lasted, and its device went to the default.
    assert bench.devices[0].told == [(50, 1.5), (60, 0.0)]


async def test_a_cancel_before_its_setpoint_leaves_a_tombstone(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(assets=2)
    cancel = v1.Cancel(dispatch_id="d1", asset_index=1, reason="as asked")
    await session.send(v1.HeadendMessage(cancel=cancel))
    await session.order("d1", 1.0, index=1)
    await trio.sleep(1)
    assert [(r.asset_index, r.state, r.revision) for _, r in session.reports] == [
        (1, CANCELLED, 1),
        (1, CANCELLED, 1),
    ]
    assert bench.devices[1].told == []
    nobody = v1.Cancel(dispatch_id="d2", asset_index=9)
    await session.send(v1.HeadendMessage(cancel=nobody))
    await trio.sleep(1)
    assert bench.statistics.ignored_messages == 1


async def test_an_order_delivered_late_does_not_displace_a_newer_one(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    for dispatch_id, ordered_us in (("newer", 20), ("older", 10)):
        setpoint = v1.Setpoint(dispatch_id=dispatch_id, mw=1.0, ordered_us=ordered_us)
        await session.send(v1.HeadendMessage(setpoint=setpoint))
    await trio.sleep(1)
    last = {r.dispatch_id: r for _, r in session.reports}
    assert last["newer"].state is STARTED
    assert (last["older"].state, last["older"].superseded_by) == (SUPERSEDED, "newer")
