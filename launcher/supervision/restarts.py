"""When an agent that died starts again, and the loop that does it, for both ways of running.

The wait after a death is 1 s, doubled for each further one up to 30 s, and 1 s again after
a life of a minute. It never gives up: the line says each time how long it waits.
"""

from collections.abc import Awaitable, Callable

import trio

from derproto.base.runtime import Runtime
from launcher.supervision.fleet_events import AgentEnded, FleetEvent

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
HEALTHY_S = 60.0
"""A life this long, seconds, counts as healthy: what killed it is a new trouble."""


def next_wait_s(last_wait_s: float | None, lived_s: float) -> float:
    """How long to wait before the next start, seconds.

    ``last_wait_s`` is the wait before the life that ended now, None for the first life.
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
    """Starts an agent again whenever it ends, until ``stopping`` is set; for ever without it.

    ``live`` runs it once and returns how it ended, in words; it has to end by itself once
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
