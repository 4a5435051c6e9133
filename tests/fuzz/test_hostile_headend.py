"""An agent whose headend sends anything: it goes on measuring, keeps its limits, and reconnects."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from derproto.triogrpc.testing import MemoryNetwork
from tests.fuzz.agent import HEADEND, WELCOME, one_agent
from tests.fuzz.extremes import extreme
from tests.fuzz.mutation import effort
from tests.support.epoch import T0

PATIENCE_S = 2 * 3600.0
"""Time in which an agent measures and returns, whatever periods and waits it was told."""


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
    network = MemoryNetwork()
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
            network.cut(HEADEND)
        elif end == "silence":
            await trio.sleep(70)

    async with trio.open_nursery() as nursery:
        server = Server({SESSION: serve}, codec=MessageCodec())
        await nursery.start(server.serve, [network.listen(HEADEND)])
        async with one_agent(network, virtual_runtime(T0)) as (board, device):
            with trio.fail_after(PATIENCE_S):
                await good.wait()
            before = device.reads
            await trio.sleep(20)
            assert device.reads > before
            assert board.up
        nursery.cancel_scope.cancel()
