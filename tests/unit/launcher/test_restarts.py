"""When an agent that ended starts again."""

import pytest
import trio
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from launcher.supervision.fleet_events import AgentEnded, FleetEvent
from launcher.supervision.restarts import keep_agent, next_wait_s


@pytest.mark.parametrize(
    ("last_wait_s", "lived_s", "wait_s"),
    [
        (None, 0.0, 1.0),
        (None, 3600.0, 1.0),
        (1.0, 0.0, 2.0),
        (2.0, 59.9, 4.0),
        (16.0, 10.0, 30.0),
        (30.0, 10.0, 30.0),
        (30.0, 60.0, 1.0),
    ],
)
def test_waits_double_up_to_30_s_and_a_healthy_minute_resets(
    last_wait_s: float | None, lived_s: float, wait_s: float
) -> None:
    assert next_wait_s(last_wait_s, lived_s) == wait_s


async def test_an_agent_starts_again_for_ever(autojump_clock: MockClock) -> None:
    lives = iter([0.5, 0.5, 0.5, 90.0, 0.5])
    events: list[FleetEvent] = []
    started_s: list[float] = []

    async def live() -> str:
        started_s.append(trio.current_time())
        await trio.sleep(next(lives, float("inf")))
        return "exited with code 1"

    with trio.move_on_after(1000):
        await keep_agent("a", live, runtime=virtual_runtime(0), on_event=events.append)
    assert [h.wait_s for h in events if isinstance(h, AgentEnded)] == [1, 2, 4, 1, 2]
    assert started_s == [0, 1.5, 4, 8.5, 99.5, 102]


async def test_stopping_ends_a_wait_and_is_not_a_death(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    events: list[FleetEvent] = []
    stopping = trio.Event()

    async def live() -> str:
        with trio.move_on_after(10 if not events else 20):
            await stopping.wait()
        return "ended"

    async def stop_at(at_s: float) -> None:
        await trio.sleep_until(at_s)
        stopping.set()

    async def keep() -> None:
        await keep_agent(
            "a",
            live,
            runtime=virtual_runtime(0),
            on_event=events.append,
            stopping=stopping,
        )

    nursery.start_soon(stop_at, 10.5)
    await keep()
    assert trio.current_time() == 10.5
    assert len(events) == 1

    stopping = trio.Event()
    nursery.start_soon(stop_at, 15)
    await keep()
    assert trio.current_time() == 15
    assert len(events) == 1
