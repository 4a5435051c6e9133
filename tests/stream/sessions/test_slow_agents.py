"""Agents that take nothing of what the headend sends."""

from contextlib import suppress

import trio
from grpclib import GRPCError
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import State
from derhead.sessions.streams.acks import RANGES_WAITING
from derhead.sessions.streams.outgoing import SETPOINTS_QUEUED
from tests.stream.sessions.bench import A1, UNKNOWN, Bench, in_a_row, receive, telemetry


async def test_an_agent_that_does_not_read_is_ended_and_no_setpoint_lost(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.welcomed("x", A1, boot_id=1, window_bytes=512):
        orders = [await bench.desk.order(order) for order in in_a_row(4 * SETPOINTS_QUEUED)]
        assert {dispatch.state for dispatch in orders} == {State.SENT, State.PENDING}
        await trio.sleep(1)
        assert bench.sessions.most_queued > SETPOINTS_QUEUED // 2
        await trio.sleep(39)
        assert bench.sessions.live == ()
        assert bench.sessions.most_queued == 0
    assert bench.store.ends() == [("x", "slow reader")]
    await wait_all_tasks_blocked()
    states = {dispatch.id: bench.desk.get(dispatch.id) for dispatch in orders}
    assert all(d is not None and d.state is State.PENDING for d in states.values())
    async with bench.welcomed("x", A1) as again:
        got = [(await receive(again, "setpoint")).dispatch_id for _ in orders]
        assert got == [dispatch.id for dispatch in orders]


async def test_a_session_that_reads_no_refusal_is_ended_in_time(
    bench: Bench, autojump_clock: MockClock
) -> None:
    """Refusals wait for nothing else than its reading, and none touches the next."""
    rows = 4000
    async with bench.welcomed("x", UNKNOWN, A1, boot_id=1, window_bytes=512) as stream:
        began = trio.current_time()
        with suppress(GRPCError):
            for number in range(RANGES_WAITING // rows + 10):
                by_turns = telemetry(1 + number * rows, *(row % 2 for row in range(rows)))
                assert by_turns.telemetry is not None
                by_turns.telemetry.ts_us = [-1] * rows
                await stream.send_message(by_turns)
            while True:
                await stream.recv_message()
        # Long before its Alive has waited for a period.
        assert trio.current_time() - began < 5
        await wait_all_tasks_blocked()
        assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "slow reader")]


async def test_a_session_that_never_reads_can_be_superseded(
    bench: Bench, autojump_clock: MockClock
) -> None:
    """It opens so small a window that not even the Welcome can be sent."""
    async with bench.agent("x", A1, boot_id=1, window_bytes=16) as stream:
        await trio.sleep(1)
        assert len(bench.sessions.live) == 1
        async with bench.welcomed("x", A1, boot_id=2):
            await trio.sleep(3)
            assert len(bench.sessions.live) == 1
        await stream.cancel()
    assert bench.store.ends()[0] == ("x", "superseded")


async def test_a_session_that_never_reads_is_ended(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.agent("x", A1, boot_id=1, window_bytes=16):
        await trio.sleep(19)
        assert len(bench.sessions.live) == 1
        await trio.sleep(5)
        assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "slow reader")]
