"""kill -9 in the midst of orders: every report is still known."""

from pathlib import Path

import trio

from deragent.tasks.timeline_writer import open_timeline_writer
from tests.support.processes.killed import lines_before_kill
from tests.unit.agent.lone_agent import lone_agent

AGENT = """
import sys
from functools import partial
from pathlib import Path
import trio
from deragent.tasks.timeline_writer import open_timeline_writer
from deragent.timelines.timed_orders import CancelArrived, SetpointArrived, TimedOrder
from tests.unit.agent.lone_agent import lone_agent

def say(event):
    print(event.detail["dispatch_id"], event.detail["state"], flush=True)

async def order(controller):
    for n in range(1_000_000):
        now_s = trio.current_time()
        controller.handle(SetpointArrived(TimedOrder(f"d{n}", 1.0, 128, now_s, now_s + 60)))
        await trio.sleep(0.002)

async def main():
    runtime, board, controller = await lone_agent(say)
    async with open_timeline_writer(Path(sys.argv[1]), runtime, board, [controller]) as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            nursery.start_soon(controller.control)
            nursery.start_soon(order, controller)

trio.run(main)
"""
LINES_BEFORE_KILL = 150
RANKS = {"received": 0, "started": 1, "superseded": 2}


def test_a_reported_state_outlives_a_kill(tmp_path: Path) -> None:
    said: dict[str, str] = {}
    for _ in range(2):
        lines = lines_before_kill(AGENT, tmp_path, LINES_BEFORE_KILL)
        said.update((dispatch_id, state) for dispatch_id, state in map(str.split, lines))
        known = trio.run(what_is_known, tmp_path)
        assert len(said) > LINES_BEFORE_KILL / 4
        forgotten = {
            dispatch_id: (state, known.get(dispatch_id))
            for dispatch_id, state in said.items()
            if RANKS[known.get(dispatch_id, "received")] < RANKS[state] or dispatch_id not in known
        }
        assert forgotten == {}


async def what_is_known(folder: Path) -> dict[str, str]:
    """The states that the agent's next process finds, by dispatch."""
    runtime, board, controller = await lone_agent(lambda _event: None)
    async with open_timeline_writer(folder, runtime, board, [controller]):
        return {
            report.dispatch_id: (report.state.name or "").lower()
            for report in controller.last_reports()
        }
