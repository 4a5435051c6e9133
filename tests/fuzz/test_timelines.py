"""Damaged timeline files: the agent starts, says so, sets the file aside, and invents nothing."""

import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from deragent.timelines import timeline_format
from deragent.timelines.absence import Stamp
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.stepping import step
from deragent.timelines.timed_orders import Applied, SetpointArrived, TimedOrder, TimePassed
from deragent.timelines.timeline_file import FILE, SET_ASIDE
from deragent.timelines.timeline_format import SavedTimelines, write_timelines
from derproto.base.runtime import virtual_runtime
from derproto.configuration.fleet import Failsafe
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from derproto.triogrpc.testing import MemoryNetwork
from tests.fuzz.agent import ASSET, HEADEND, WELCOME, one_agent
from tests.fuzz.mutation import effort, mutated
from tests.support.dispatch.timelines import moment, order
from tests.support.epoch import T0, S

BOOT = "boot-1"
ORDER_MW = 1.5
"""Power of the order in force when the file was written."""


def written() -> bytes:
    """A file with an order in force, one that waits, one that ended, and one that gave way."""
    timeline = Timeline(ASSET.limits, ASSET.default_mw, Failsafe(0.0))
    early, late = TimedOrder("d4", 0.25, 128, 900.0, 950.0, 0.5, 4, 5, 6), order("d3", 1.0, 700.0)
    for at_s, event in (
        (0, SetpointArrived(order("d1", 0.75, end_s=5.0))),
        (0, Applied("d1", 0.75)),
        (5, TimePassed()),
        (6, SetpointArrived(order("d2", ORDER_MW, end_s=600.0))),
        (7, Applied("d2", ORDER_MW)),
        (8, SetpointArrived(early)),
        (8, SetpointArrived(late)),
    ):
        timeline, _ = step(timeline, event, moment(at_s))
    stamp = Stamp(T0 - 5 * S, BOOT, 95 * S, T0)
    return write_timelines(SavedTimelines(stamp, moment(10), {ASSET.id: timeline}, 4.0))


FILE_BYTES = written()
BODY = FILE_BYTES.partition(b"\n")[2]
TOKENS = [b"deragent-timelines 1 ", b" 99 ", b"\n", b"{}", b"\xff\xfe", b"1" * 5000, b'"', b"\0"]
ODD: list[Any] = [
    *(None, True, -1, 0, 2**63, 10**400, -1e300, 0.5, float("nan"), float("inf"), "", "d2", "é\0"),
    *([], {}, [[]], 99, "x" * 3000, "2" * 5000),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a JSON value with each of its keys or indices."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def signed(body: bytes) -> bytes:
    """The body behind a first line that fits it."""
    return f"deragent-timelines 1 {timeline_format._checksum(body)}\n".encode() + body


@st.composite
def well_signed(draw: st.DrawFn) -> bytes:
    """A file with a valid checksum, and some values that no agent writes."""
    said = json.loads(BODY)
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(list(places(said))))
        match draw(st.sampled_from(["set", "set", "drop", "twice"])):
            case "set":
                holder[key] = draw(st.sampled_from(ODD))
            case "drop":
                del holder[key]
            case _ if isinstance(holder, list):
                holder.insert(key, holder[key])
    return signed(json.dumps(said).encode())


contents = st.one_of(
    mutated([FILE_BYTES], TOKENS),
    mutated([BODY], TOKENS).map(signed),
    well_signed(),
    well_signed(),
    st.binary(max_size=200),
)


@effort(50)
@example(data=FILE_BYTES)
@given(data=contents)
def test_any_timeline_file_is_resumed_or_set_aside(
    caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    caplog.clear()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(start_on, Path(folder), data, clock=MockClock(autojump_threshold=0))
        aside = Path(folder, SET_ASIDE)
        said = [r for r in caplog.records if r.levelno >= logging.ERROR]
        if aside.exists():
            assert aside.read_bytes() == data
            assert ["no dispatch is remembered" in r.getMessage() for r in said] == [True]
        else:
            assert said == []
            assert data.startswith(b"deragent-timelines ")


async def start_on(folder: Path, data: bytes) -> None:
    """Starts an agent on the file, and lets its headend give an order."""
    (folder / FILE).write_bytes(data)
    network, sent = MemoryNetwork(), trio.Event()
    registers: list[v1.Register] = []
    reports: list[v1.DispatchReport] = []

    async def serve(stream: ServerStream) -> None:
        first = await stream.recv_message()
        assert first is not None
        registers.append(first.register)
        await stream.send_message(v1.HeadendMessage(welcome=replace(WELCOME, clock_us=T0 + 9 * S)))
        new = v1.Setpoint("new", 0, 0.125, sent_at_session_us=0, remaining_us=60 * S, priority=1)
        await stream.send_message(v1.HeadendMessage(setpoint=new))
        sent.set()
        while (message := await stream.recv_message()) is not None:
            if message.dispatch_report is not None:
                reports.append(message.dispatch_report)

    async with trio.open_nursery() as nursery:
        server = Server({SESSION: serve}, codec=MessageCodec())
        runtime = replace(virtual_runtime(T0), since_boot=lambda: (BOOT, 100 * S))
        async with one_agent(network, runtime, folder) as (board, device):
            await trio.sleep(10)
            if (folder / SET_ASIDE).exists():
                assert device.told == [0.0]
            elif data == FILE_BYTES:
                assert device.told == [ORDER_MW]
            await nursery.start(server.serve, [network.listen(HEADEND)])
            with trio.fail_after(120):
                await sent.wait()
            before = device.reads
            await trio.sleep(20)
            assert device.reads > before
            assert board.up
            assert len(registers) == 1
            assert "new" in {each.dispatch_id for each in reports}
        nursery.cancel_scope.cancel()
