"""A real agent of one battery under virtual time, and its device, which keeps what it was told."""

import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.devices import Device, Measurement
from deragent.tasks.agent_board import AgentBoard
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset
from derproto.der import v1
from derproto.triogrpc.testing import MemoryNetwork
from tests.support.assets import make_asset, numbered_id

HEADEND = "headend"
ASSET = make_asset(numbered_id(1), energy_mwh=4.0, default_mw=0.0)
WELCOME = v1.Welcome(
    session_id="s",
    telemetry_period_ms=4000,
    heartbeat_period_ms=30_000,
    alive_period_ms=10_000,
    headend_silence_limit_ms=30_000,
    max_rows_per_message=5000,
    assets=[v1.AssetGrant(asset_index=0, result=v1.GrantResult.GRANTED)],
)


@dataclass
class ToldDevice(Device):
    """Keeps what it was told, and the number of its readings."""

    asset: Asset
    told: list[float] = field(default_factory=list)
    reads: int = 0

    @property
    def limits(self) -> Any:
        return self.asset.limits

    async def read(self) -> Measurement:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        return Measurement(p_mw=0.5)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        assert ramp_mw_per_s is None or ramp_mw_per_s > 0
        assert math.isfinite(mw)
        assert mw in self.asset.limits
        self.told.append(mw)
        return mw

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def one_agent(
    network: MemoryNetwork, runtime: Runtime, data: Path | None = None
) -> AsyncIterator[tuple[AgentBoard, ToldDevice]]:
    """Runs an agent for the block; it must not end by itself. Whoever listens is its headend."""
    device = ToldDevice(ASSET)

    async def open_device(_asset: Asset, _runtime: Runtime) -> ToldDevice:
        await trio.lowlevel.checkpoint()
        return device

    async def run(task_status: trio.TaskStatus[AgentBoard]) -> None:
        await run_agent(
            AgentPlan("agent-1", None, (ASSET,)),
            runtime=runtime,
            dial=lambda: network.connect(HEADEND),
            rng=random.Random(1),
            authority=HEADEND,
            open_device=open_device,
            data=data,
            task_status=task_status,
        )
        raise AssertionError("the agent ended by itself")

    async with trio.open_nursery() as nursery:
        board: AgentBoard = await nursery.start(run)
        yield board, device
        nursery.cancel_scope.cancel()
