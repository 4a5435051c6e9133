"""Runs fake agents as ``derlaunch`` runs real ones: ``fake_launcher.py GRACE_S BEHAVIOUR…``.

Prints the pid of the guard and of each agent once that has connected.
"""

import os
import sys
from pathlib import Path

import trio

from deragent.event_lines import EventKind, EventLine
from derproto.base.runtime import real_runtime
from launcher.fleets.agent_jobs import AgentJob
from launcher.running import stop_on_signal
from launcher.supervision.fleet_events import AgentStarted, FleetEvent
from launcher.supervision.processes import ProcessSettings, run_processes

AGENT = Path(__file__).with_name("fake_agent.py")
pids: dict[str, int] = {}


def take(event: FleetEvent) -> None:
    match event:
        case AgentStarted(agent_id=agent_id, pid=int(pid)):
            pids[agent_id] = pid
        case EventLine(kind=EventKind.CONNECTED, agent_id=agent_id):
            print(pids[agent_id], os.getpgid(pids[agent_id]), flush=True)


async def main() -> None:
    grace_s, *behaviours = sys.argv[1:]
    jobs = [AgentJob(f"{i}-{b}", b, None, ("x",)) for i, b in enumerate(behaviours)]
    settings = ProcessSettings(
        command=lambda job: [sys.executable, "-S", str(AGENT), job.agent_id, job.name],
        runtime=real_runtime(),
        on_event=take,
        grace_s=float(grace_s),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            stop_on_signal, nursery.cancel_scope.cancel, lambda *_said, **_keys: None
        )
        await run_processes(jobs, settings)


if __name__ == "__main__":
    trio.run(main)
