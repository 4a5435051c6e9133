"""Hostile clients of a headend's two ports, in a process of their own.

``python -m tests.support.processes.attackers GRPC_PORT HTTP_PORT ASSET`` attacks until it is
killed. It says ``READY`` once each attack was carried out as often as ``WANTED`` says. With the
files of an authority, a certificate and its key after ``HTTP_PORT`` in place of ``ASSET``, it sends
the floods alone, over TLS.
"""

import contextlib
import os
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamReset
from h2.exceptions import H2Error

from derproto.codec import encode_agent
from derproto.der.v1 import (
    AgentMessage,
    DeviceHealth,
    GapCause,
    GapReport,
    Heartbeat,
    Register,
)

HOST = "127.0.0.1"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
RESET, SETTINGS, PING = 3, 4, 6
MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that the headend takes of an agent."""

DISPATCHES = 120_000
SILENT = 1_600
"""Connections that never register."""

CALLS = 16
UNFINISHED = 12
"""Connections that hold an unfinished message on each of their calls."""

FLOODS = ("ping", "settings", "reset")

PAUSE_S = 2.0
"""Pause after which an attack that the headend has ended begins again."""

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, H2Error, OSError)
"""How the headend's ending of a connection shows."""

FLOODED = {f"{kind} floods of {port}": 2 for kind in FLOODS for port in ("gRPC", "REST")}
WANTED = {
    "registers": 2,
    "messages of empty elements": 2,
    "unfinished messages": 100,
    "silent connections": SILENT,
    "messages of the chatterer": 6_000,
    **FLOODED,
}

READY = "every attack is under way"

done = Counter[str]()


def frame(kind: int, payload: bytes = b"", stream: int = 0) -> bytes:
    """The bytes of one HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + stream.to_bytes(4, "big") + payload


def framed(message: bytes, length: int | None = None) -> bytes:
    """A gRPC message, or the beginning of one of that length."""
    return b"\0" + (len(message) if length is None else length).to_bytes(4, "big") + message


def within(field: int, payload: bytes) -> bytes:
    """The payload as a field of a message."""
    size, head = len(payload), bytearray([field << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size]) + payload


class Caller:
    """One gRPC connection, with calls of ``Session``. ``read`` must run meanwhile."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._h2 = H2Connection(H2Configuration(header_encoding=None))
        self._h2.initiate_connection()
        self._flushing = trio.Lock()
        self._room = trio.lowlevel.ParkingLot()
        self.answered = trio.Event()
        """The headend has said something within a call."""

    async def call(self) -> int:
        """Opens a call, once the headend allows one more; returns its stream."""
        while self._h2.open_outbound_streams >= self._h2.remote_settings.max_concurrent_streams:
            await self._room.park()
        number: int = self._h2.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "headend")]
        fields += [(":path", "/der.v1.Headend/Session"), ("te", "trailers")]
        self._h2.send_headers(number, [*fields, ("content-type", "application/grpc")])
        await self._flush()
        return number

    async def send(self, number: int, data: bytes) -> None:
        """Sends all of it, as fast as the headend's windows allow."""
        while data:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if not room:
                await self._room.park()
                continue
            self._h2.send_data(number, data[:room])
            data = data[room:]
            await self._flush()

    async def read(self) -> None:
        """Reads until the headend closes the connection. Raises: one of ``GONE``."""
        while data := await self._stream.receive_some(65_536):
            for event in self._h2.receive_data(data):
                if isinstance(event, DataReceived):
                    length = event.flow_controlled_length
                    self._h2.acknowledge_received_data(length, event.stream_id)
                if isinstance(event, DataReceived | ResponseReceived | StreamReset):
                    self.answered.set()
            self._room.unpark_all()
            await self._flush()
        raise trio.BrokenResourceError

    async def _flush(self) -> None:
        async with self._flushing:
            await self._stream.send_all(self._h2.data_to_send())


@asynccontextmanager
async def caller(port: int) -> AsyncIterator[Caller]:
    async with await trio.open_tcp_stream(HOST, port) as stream, trio.open_nursery() as nursery:
        link = Caller(stream)
        nursery.start_soon(link.read)
        yield link
        nursery.cancel_scope.cancel()


def register(agent_id: str, asset_id: str = "00000000-0000-4000-8000-000000000000") -> Register:
    return Register(agent_id=agent_id, asset_ids=[asset_id], boot_id=1)


def name() -> str:
    """An agent that the headend has not met."""
    return f"attacker-{os.urandom(6).hex()}"


@asynccontextmanager
async def agent(port: int, agent_id: str, *asset: str) -> AsyncIterator[tuple[Caller, int]]:
    """A registered agent: its connection, and the stream of its session."""
    async with caller(port) as link:
        number = await link.call()
        await link.send(
            number, framed(encode_agent(AgentMessage(register=register(agent_id, *asset))))
        )
        await link.answered.wait()
        yield link, number


async def for_ever(what: str, attack: Callable[[], Awaitable[None]]) -> None:
    """Attacks again as soon as the headend has ended it, and counts."""
    while True:
        try:
            await attack()
        except* GONE:
            pass
        done[what] += 1
        await trio.sleep(PAUSE_S)


# --- the attacks ----------------------------------------------------------------------------


async def register_with_empty_dispatches(port: int) -> None:
    empty = bytes(register(name())) + within(7, b"") * DISPATCHES
    async with caller(port) as link:
        await link.send(await link.call(), framed(within(1, empty)))
        await link.answered.wait()


async def send_empty_elements(port: int) -> None:
    async with agent(port, name()) as (link, number):
        link.answered = trio.Event()
        elements = within(4, b"") * (MESSAGE_BYTES // 2 - 10)
        await link.send(number, framed(within(3, elements)))
        await link.answered.wait()


async def hold_unfinished_messages(port: int) -> None:
    async with agent(port, name()) as (link, first):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_unfinished_message, link, first)
            for _ in range(CALLS - 1):
                call = await link.call()
                await link.send(call, framed(encode_agent(AgentMessage(register=register(name())))))
                nursery.start_soon(hold_unfinished_message, link, call)


async def hold_unfinished_message(link: Caller, number: int) -> None:
    """Sends the first half of a message, or as much as the headend puts up with."""
    with contextlib.suppress(H2Error):
        await link.send(number, framed(bytes(MESSAGE_BYTES // 2), MESSAGE_BYTES))
    done["unfinished messages"] += 1
    await trio.sleep_forever()


async def flood(
    port: int, frames: Callable[[int], bytes], tls: ssl.SSLContext | None = None
) -> None:
    stream: trio.abc.Stream = await trio.open_tcp_stream(HOST, port)
    if tls is not None:
        stream = trio.SSLStream(stream, tls, server_hostname=HOST, https_compatible=True)
    async with stream:
        await stream.send_all(PREFACE + frame(SETTINGS))
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                while await stream.receive_some(65_536):
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(read)
            for first in range(0, 1_000_000, 100):
                await stream.send_all(b"".join(frames(first + n) for n in range(100)))


def ping(_number: int) -> bytes:
    return frame(PING, bytes(8))


def settings(_number: int) -> bytes:
    return frame(SETTINGS)


def reset(number: int) -> bytes:
    """A request, as an indexed ``GET /``, that is taken back at once."""
    stream = 2 * number + 1
    head = frame(1, b"\x82\x86\x84\x41\x09localhost", stream)
    return head[:4] + b"\x04" + head[5:] + frame(RESET, bytes(4), stream)


async def stay_silent(port: int) -> None:
    async with await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(PREFACE + frame(SETTINGS))
        done["silent connections"] += 1
        while await stream.receive_some(4096):
            pass
    # All of them at once would leave no processor for the other attacks.
    await trio.sleep(2 * PAUSE_S)


async def chatter(port: int, asset_id: str) -> None:
    """Floods the headend with heartbeats and gap reports of a registered agent."""
    beat = Heartbeat(uptime_ms=1, devices=[DeviceHealth() for _ in range(1_000)])
    async with agent(port, "chatterer", asset_id) as (link, number):
        for gap in range(1, 1_000_000):
            report = GapReport(
                boot_id=1, number=gap, revision=1, cause=GapCause.OVERFLOW, start_us=gap
            )
            batch = [AgentMessage(gap_report=report)] * 20 + [AgentMessage(heartbeat=beat)] * 2
            await link.send(number, b"".join(framed(encode_agent(each)) for each in batch))
            done["messages of the chatterer"] += len(batch)


async def attack(grpc_port: int, http_port: int, asset_id: str) -> None:
    """Every attack at once, for ever."""
    async with trio.open_nursery() as nursery:
        start = partial(start_attack, nursery)
        start("registers", register_with_empty_dispatches, grpc_port)
        start("messages of empty elements", send_empty_elements, grpc_port)
        for _ in range(UNFINISHED):
            start("connections of unfinished messages", hold_unfinished_messages, grpc_port)
        start_floods(nursery, grpc_port, http_port)
        start("chatter", chatter, grpc_port, asset_id)
        for _ in range(SILENT):
            start("silent connections closed", stay_silent, grpc_port)
            await trio.sleep(0.001)
        await report(WANTED)


async def attack_over_tls(grpc_port: int, http_port: int, tls: ssl.SSLContext) -> None:
    """The floods of both ports, for ever."""
    async with trio.open_nursery() as nursery:
        start_floods(nursery, grpc_port, http_port, tls)
        await report(FLOODED)


def start_attack(
    nursery: trio.Nursery, what: str, work: Callable[..., Awaitable[None]], *arguments: object
) -> None:
    nursery.start_soon(for_ever, what, partial(work, *arguments))


def start_floods(
    nursery: trio.Nursery, grpc_port: int, http_port: int, tls: ssl.SSLContext | None = None
) -> None:
    for where, port in (("gRPC", grpc_port), ("REST", http_port)):
        for frames in (ping, settings, reset):
            start_attack(nursery, f"{frames.__name__} floods of {where}", flood, port, frames, tls)


async def report(wanted: Mapping[str, int]) -> None:
    """Prints each second how often each attack was carried out; never ends."""
    while True:
        await trio.sleep(1)
        print(dict(done), flush=True)
        if all(done[what] >= count for what, count in wanted.items()):
            print(READY, flush=True)


def main() -> None:
    grpc_port, http_port, *others = sys.argv[1:]
    if len(others) == 1:
        trio.run(attack, int(grpc_port), int(http_port), others[0])
        return
    ca, cert, key = others
    tls = ssl.create_default_context(cafile=ca)
    tls.load_cert_chain(cert, key)
    tls.set_alpn_protocols(["h2"])
    trio.run(attack_over_tls, int(grpc_port), int(http_port), tls)


if __name__ == "__main__":
    main()
