"""Restarts an agent that ended, in a process or in this loop.

The first wait is 1 s. The wait doubles with each further end, up to 30 s. After a run of at
least a minute it is 1 s again. The launcher never gives up.
"""

from collections.abc import Awaitable, Callable

import trio

from derproto.base.runtime import Runtime
from launcher.supervision.fleet_events import AgentEnded, FleetEvent

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
HEALTHY_S = 60.0
"""Run time after which an agent counts as healthy, seconds: its next wait is the shortest again."""


def next_wait_s(last_wait_s: float | None, lived_s: float) -> float:
    """The wait before the next start, seconds.

    ``last_wait_s`` is the wait before the run that ended now; None for the first run.
    """
    if last_wait_s is None or lived_s >= HEALTHY_S:
        return FIRST_WAIT_S
    return min(2 * last_wait_s, LONGEST_WAIT_S)


async def keep_agent(
    agent_id: str,
    live: Callable[[], Awaitable[str]],
    *,
    runtime: Runtime,
    on_event: Callable[[FleetEvent], None],
    stopping: trio.Event | None = None,
) -> None:
    """Runs an agent again and again until ``stopping`` is set; without ``stopping``, for ever.

    ``live`` runs the agent once and returns how it ended, in words. It must end by itself once
    ``stopping`` is set.
    """
    if stopping is None:
        stopping = trio.Event()
    wait_s: float | None = None
    while not stopping.is_set():
        began_s = trio.current_time()
        how = await live()
        if stopping.is_set():
            return
        lived_s = trio.current_time() - began_s
        wait_s = next_wait_s(wait_s, lived_s)
        on_event(AgentEnded(runtime.wall_us(), agent_id, how, lived_s, wait_s))
        with trio.move_on_after(wait_s):
            await stopping.wait()
