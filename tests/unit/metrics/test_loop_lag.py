"""The lag of the event loop."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derproto.metrics.loop_lag import PULSE_S, REMEMBERED_S, LoopLag


def test_the_worst_lag_is_remembered_for_a_minute_or_two() -> None:
    lag = LoopLag()
    assert lag.worst_s(0.0) == 0.0
    lag.note(0.3, 10.0)
    lag.note(0.1, 10.0 + REMEMBERED_S - 1)
    assert lag.worst_s(10.0 + REMEMBERED_S - 1) == 0.3
    assert lag.worst_s(10.0 + 1.5 * REMEMBERED_S) == 0.3
    assert lag.worst_s(10.0 + 3 * REMEMBERED_S) == 0.0
    assert sum(lag.counts().counts) == 2


async def test_a_jump_of_the_clock_while_the_loop_stands_is_a_lag(mock_clock: MockClock) -> None:
    lag = LoopLag()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.run)
        for _ in range(4):
            await wait_all_tasks_blocked()
            mock_clock.jump(PULSE_S)
        await wait_all_tasks_blocked()
        assert lag.worst_s(trio.current_time()) == 0.0
        mock_clock.jump(PULSE_S + 0.75)
        await wait_all_tasks_blocked()
        assert lag.worst_s(trio.current_time()) == 0.75
        nursery.cancel_scope.cancel()
    assert lag.counts().counts[0] == 4
