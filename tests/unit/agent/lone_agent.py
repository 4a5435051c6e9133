"""An agent's parts without its uplink, in real time."""

from collections.abc import Callable

from deragent.config import AgentPlan
from deragent.devices import open_device
from deragent.event_lines import EventLine
from deragent.outbox import OutboxLimits
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from derproto.base.runtime import Runtime, real_runtime
from tests.support.assets import make_asset, numbered_id

BATTERY = make_asset(numbered_id(1), energy_mwh=4.0)


async def lone_agent(
    on_event: Callable[[EventLine], None],
) -> tuple[Runtime, AgentBoard, Controller]:
    """The runtime, the board and the controller of one simulated battery."""
    runtime = real_runtime()
    plan = AgentPlan("agent-1", None, (BATTERY,))
    board = AgentBoard(
        plan,
        runtime=runtime,
        boot_id=1,
        outbox=OutboxLimits(memory_rows=10),
        backfill_rows_s=1000,
        on_event=on_event,
    )
    device = await open_device(BATTERY, runtime)
    return runtime, board, Controller(0, BATTERY, device, board)
