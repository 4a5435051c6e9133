"""An agent whose headend sends anything: it goes on measuring, keeps its limits, and reconnects."""

import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.devices import Measurement
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.fleet import Asset
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from derproto.triogrpc.testing import MemoryNetwork
from tests.fuzz.extremes import extreme
from tests.fuzz.mutation import effort
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0

PATIENCE_S = 2 * 3600.0
"""Time in which an agent measures and returns, whatever periods and waits it was told."""
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
class ToldDevice:
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
        self.told.append(mw)
        return mw

    async def release(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass(frozen=True)
class Pause:
    seconds: float


Step = v1.HeadendMessage | Pause
"""What the headend does next in a session."""

steps = st.one_of(
    extreme(v1.HeadendMessage),
    extreme(v1.Setpoint).map(
        lambda order: v1.HeadendMessage(setpoint=replace(order, asset_index=0))
    ),
    st.sampled_from([0.0, 0.1, 5.0, 40.0]).map(Pause),
)
ODD: list[dict[str, Any]] = [
    {"telemetry_period_ms": 2**32 - 1},
    {"headend_silence_limit_ms": 2**32 - 1},
    {"heartbeat_period_ms": 0, "headend_silence_limit_ms": 0},
    {"max_rows_per_message": 1, "clock_us": -(2**63)},
    {"telemetry_period_ms": 0, "clock_us": 2**63 - 1},
]
welcomes = st.one_of(
    st.just(WELCOME),
    st.sampled_from(ODD).map(lambda changes: replace(WELCOME, **changes)),
    extreme(v1.Welcome),
).map(lambda welcome: v1.HeadendMessage(welcome=welcome))
sessions = st.tuples(
    st.one_of(welcomes, welcomes, extreme(v1.HeadendMessage)),
    st.lists(steps, max_size=6),
    st.sampled_from(["end", "cut", "silence"]),
)


@effort(25)
@given(script=st.lists(sessions, min_size=1, max_size=3))
def test_an_agent_outlives_any_headend(
    caplog: pytest.LogCaptureFixture, script: list[tuple[Any, list[Step], str]]
) -> None:
    caplog.clear()
    trio.run(play, script, clock=MockClock(autojump_threshold=0))
    assert "a bug of the agent" not in caplog.text


async def play(script: list[tuple[v1.HeadendMessage, list[Step], str]]) -> None:
    network, runtime, device = MemoryNetwork(), virtual_runtime(T0), ToldDevice(ASSET)
    left, good = list(script), trio.Event()

    async def serve(stream: ServerStream) -> None:
        await stream.recv_message()
        if not left:
            await stream.send_message(v1.HeadendMessage(welcome=WELCOME))
            good.set()
            await trio.sleep_forever()
        first, rest, end = left.pop(0)
        for step in [first, *rest]:
            if isinstance(step, Pause):
                await trio.sleep(step.seconds)
            else:
                await stream.send_message(step)
        if end == "cut":
            network.cut("headend")
        elif end == "silence":
            await trio.sleep(70)

    async def open_device(_asset: Asset, _runtime: Runtime) -> ToldDevice:
        await trio.lowlevel.checkpoint()
        return device

    async with trio.open_nursery() as nursery:
        server = Server({SESSION: serve}, codec=MessageCodec())
        await nursery.start(server.serve, [network.listen("headend")])

        async def run(task_status: trio.TaskStatus[Any]) -> None:
            await run_agent(
                AgentPlan("agent-1", None, (ASSET,)),
                runtime=runtime,
                dial=lambda: network.connect("headend"),
                rng=random.Random(1),
                authority="headend",
                open_device=open_device,
                task_status=task_status,
            )
            raise AssertionError("the agent ended by itself")

        board = await nursery.start(run)
        with trio.fail_after(PATIENCE_S):
            await good.wait()
        before = device.reads
        await trio.sleep(20)
        assert device.reads > before
        assert all(math.isfinite(mw) and mw in ASSET.limits for mw in device.told)
        assert board.up
        nursery.cancel_scope.cancel()
