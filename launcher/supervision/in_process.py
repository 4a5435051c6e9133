"""Runs all agents in the launcher's own loop, each within a border of its own.

run_in_process
└ keep_agent      for each agent, one run after another:
  └ run_agent     the agent, as in a process of its own
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from structlog.contextvars import bind_contextvars

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.outbox import OutboxLimits
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log
from launcher.fleets.agent_jobs import AgentJob
from launcher.supervision.fleet_events import AgentStarted, FleetEvent
from launcher.supervision.restarts import keep_agent

log = event_log(__name__)

STARTS_PER_S = 50.0
"""Agents started per second: each start costs a connection and a handshake."""
STOP_S = 3.0
"""Time from ``stopping`` until agents that have not ended are cut off, seconds."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings of all agents in one loop."""

    fleet: Fleet
    runtime: Runtime
    dial: Callable[[], Awaitable[trio.abc.Stream]]
    """Opens a connection to the headend."""
    authority: str
    """The headend's ``host:port``."""
    rng: random.Random
    on_event: Callable[[FleetEvent], None]
    """Called in place; must not block."""
    token_file: Path | None = None
    """File of the token that every agent shows."""
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    """Samples that each agent keeps, in memory only; beyond, the oldest are dropped."""


async def run_in_process(
    jobs: Iterable[AgentJob], settings: LoopSettings, stopping: trio.Event
) -> None:
    """Runs every agent in this loop until ``stopping`` is set.

    Then sessions end cleanly, or are cut after STOP_S. An agent that crashes starts again, like
    a process that died; the others are not affected. Cancellation: cuts all sessions.
    """
    async with trio.open_nursery() as nursery:
        for job in jobs:
            keep = partial(
                keep_agent,
                runtime=settings.runtime,
                on_event=settings.on_event,
                stopping=stopping,
            )
            nursery.start_soon(keep, job.agent_id, partial(_live, job, settings, stopping))
            with trio.move_on_after(1 / STARTS_PER_S):
                await stopping.wait()
                break
        await stopping.wait()
        nursery.cancel_scope.deadline = trio.current_time() + STOP_S


async def _live(job: AgentJob, settings: LoopSettings, stopping: trio.Event) -> str:
    """Runs an agent until it ends; returns how."""
    bind_contextvars(agent=job.agent_id)
    settings.on_event(AgentStarted(settings.runtime.wall_us(), job.agent_id, pid=None))
    assets = tuple(settings.fleet.assets[asset_id] for asset_id in job.asset_ids)
    try:
        await run_agent(
            AgentPlan(job.agent_id, job.site_id, assets),
            runtime=settings.runtime,
            dial=settings.dial,
            rng=random.Random(settings.rng.getrandbits(128)),
            authority=settings.authority,
            token_file=settings.token_file,
            outbox=settings.outbox,
            on_event=settings.on_event,
            stopping=stopping,
        )
    except Exception as error:
        log.exception("agent crashed")
        return f"crashed ({type(error).__name__}: {error})"
    return "ended"
