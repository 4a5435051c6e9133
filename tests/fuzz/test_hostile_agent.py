"""Peers of the gRPC port that mean no good: others are served, and histories stay readable."""

import tempfile
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import GRPCError, StreamTerminatedError, connect
from derproto.triogrpc.testing import MemoryStream
from tests.fuzz.extremes import extreme
from tests.fuzz.headend import GOOD, OTHER, besieged, get, play
from tests.fuzz.mutation import effort, mutated
from tests.support.epoch import T0, S
from tests.support.virtual import HEADEND


def register(**fields: object) -> v1.AgentMessage:
    about = {"agent_id": "bad", "asset_ids": [OTHER], "boot_id": 7, "clock_us": T0, **fields}
    return v1.AgentMessage(register=v1.Register(**about))  # type: ignore[arg-type]


def row(p_mw: float, ts_us: int, seq: int, **fields: list[float]) -> v1.AgentMessage:
    telemetry = v1.Telemetry(boot_id=7, first_seq=seq, asset_index=[0], ts_us=[ts_us], p_mw=[p_mw])
    for name, values in fields.items():
        setattr(telemetry, name, values)
    return v1.AgentMessage(telemetry=telemetry)


reals = st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308, -0.0, 5e-324])
rows = st.builds(
    row,
    reals,
    st.sampled_from([0, -1, T0, T0 + 15 * S, 2**63 - 1, -(2**63), 253402300800 * 10**6]),
    st.sampled_from([0, 1, 2, 2**63 - 1, 2**63, 2**64 - 1]),
    soc=reals.map(lambda value: [value]),
    voltage_v=st.one_of(st.just([]), reals.map(lambda value: [value, value])),
)
firsts = st.one_of(
    st.just(register()),
    st.just(register()),
    st.just(register(asset_ids=[OTHER, GOOD, OTHER, "", "\0"])),
    extreme(v1.AgentMessage),
    extreme(v1.Register).map(lambda first: v1.AgentMessage(register=first)),
)


async def attack(stream: MemoryStream, messages: list[v1.AgentMessage]) -> None:
    async with connect(stream, authority=HEADEND, codec=MessageCodec()) as channel:
        async with channel.request(SESSION) as call:
            await call.send_request()
            for message in messages:
                await call.send_message(message)
                await trio.sleep(0.1)
            with trio.move_on_after(20):
                while await call.recv_message() is not None:
                    pass


sessions = st.tuples(firsts, st.lists(st.one_of(extreme(v1.AgentMessage), rows), max_size=8))


@effort(6)
@given(attacks=st.lists(sessions, min_size=1, max_size=8))
def test_a_headend_outlives_any_messages(
    caplog: pytest.LogCaptureFixture,
    attacks: list[tuple[v1.AgentMessage, list[v1.AgentMessage]]],
) -> None:
    async def main(folder: Path) -> None:
        async with besieged(folder) as world:
            for first, rest in attacks:
                try:
                    await attack(await world.network.connect(HEADEND), [first, *rest])
                except* (GRPCError, StreamTerminatedError, trio.BrokenResourceError):
                    pass

    play(main, caplog)


class Tap(trio.abc.Stream):
    """Keeps the bytes that a good client sends."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self.sent = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def record(folder: Path) -> bytes:
    """The bytes of a good agent's first session of some seconds."""
    async with besieged(folder) as world:
        tap = Tap(await world.network.connect(HEADEND))
        messages = [register(), *(row(1.0, T0 + 10 * S, n) for n in (1, 2))]
        async with connect(tap, authority=HEADEND, codec=MessageCodec()) as channel:
            async with channel.request(SESSION) as call:
                await call.send_request()
                for message in messages:
                    await call.send_message(message)
                await trio.sleep(2)
                await call.send_message(v1.AgentMessage(heartbeat=v1.Heartbeat(uptime_ms=5)))
                await trio.sleep(2)
                # The end of a call would overtake its messages when all comes at once.
                return tap.sent


def recorded() -> bytes:
    """The same bytes each time, for all examples."""
    with tempfile.TemporaryDirectory() as folder:
        return trio.run(record, Path(folder), clock=MockClock(autojump_threshold=0))


TOKENS = [
    *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\4\0\0\0\0\0", b"\0\0\4\3\0\0\0\0\1\0\0\0\0"),
    *(b"\0\0\4\x08\0\0\0\0\0\x7f\xff\xff\xff", b"\0\0\x08\6\0\0\0\0\0abcdefgh", b"\xff" * 9),
    *(b"\0\0\5\0\0\0\0\0\1\0\0\0\0\0", b"\0\0\1\x09\0\0\0\0\1\x82", b"\0\x40\1\0\0\0\0\0\1"),
]
GOOD_BYTES = recorded()


def test_the_recorded_session_is_a_good_one(caplog: pytest.LogCaptureFixture) -> None:
    async def main(folder: Path) -> None:
        async with besieged(folder) as world:
            async with await world.network.connect(HEADEND) as stream:
                await stream.send_all(GOOD_BYTES)
                await trio.sleep(5)
            page = await get(world.network, f"/telemetry/{OTHER}/history")
            assert [each["p_mw"] for each in page["items"]] == [1.0, 1.0]

    play(main, caplog)


@effort(6)
@given(
    attacks=st.lists(
        st.tuples(mutated([GOOD_BYTES], TOKENS), st.sampled_from([7, 100, 100_000])),
        min_size=1,
        max_size=8,
    )
)
def test_a_headend_outlives_any_bytes(
    caplog: pytest.LogCaptureFixture, attacks: list[tuple[bytes, int]]
) -> None:
    async def main(folder: Path) -> None:
        async with besieged(folder) as world:
            for data, size in attacks:
                stream = await world.network.connect(HEADEND)
                async with stream:
                    try:
                        for start in range(0, len(data), size):
                            await stream.send_all(data[start : start + size])
                        with trio.move_on_after(20):
                            while await stream.receive_some():
                                pass
                    except trio.BrokenResourceError:
                        pass

    play(main, caplog)
