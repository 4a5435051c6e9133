"""What the tests of triogrpc share: a codec of plain bytes, methods, a pair, a raw client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import h2.config
import h2.connection
import h2.events
import trio
from grpclib.encoding.base import CodecBase
from h2.settings import SettingCodes

from derproto.triogrpc import (
    Cardinality,
    Channel,
    ClientStream,
    LinkLimits,
    Method,
    Server,
    ServerStream,
    connect,
)
from derproto.triogrpc.testing import MemoryNetwork

Handler = Callable[[ServerStream], Awaitable[None]]


class BytesCodec(CodecBase):
    """Messages that are their own bytes. Those that begin with ``bad`` are none."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        if not isinstance(message, bytes):
            raise TypeError("expected bytes")
        return message

    def decode(self, data: bytes, message_type: Any) -> bytes:
        if data.startswith(b"bad"):
            raise ValueError("begins with bad")
        return bytes(data)


CODEC = BytesCodec()
UNARY = Method("/test.Echo/Unary", Cardinality.UNARY_UNARY, bytes, bytes)
DOWN = Method("/test.Echo/Down", Cardinality.UNARY_STREAM, bytes, bytes)
UP = Method("/test.Echo/Up", Cardinality.STREAM_UNARY, bytes, bytes)
BOTH = Method("/test.Echo/Both", Cardinality.STREAM_STREAM, bytes, bytes)


async def echo_unary(stream: ServerStream) -> None:
    await stream.send_message(await stream.recv_message())


async def echo_down(stream: ServerStream) -> None:
    for letter in await stream.recv_message() or b"":
        await stream.send_message(bytes([letter]))


async def echo_up(stream: ServerStream) -> None:
    await stream.send_message(b"".join([message async for message in stream]))


async def echo_both(stream: ServerStream) -> None:
    async for message in stream:
        await stream.send_message(message)


ECHO: dict[Method, Handler] = {
    UNARY: echo_unary,
    DOWN: echo_down,
    UP: echo_up,
    BOTH: echo_both,
}


async def hang(stream: ServerStream) -> None:
    """A handler that never answers."""
    await trio.sleep_forever()


class Hanging:
    """A handler that never answers, and counts the calls of it that were cancelled."""

    def __init__(self) -> None:
        self.ended = 0
        self.cancelled = trio.Event()
        """Set at the first."""

    async def __call__(self, stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.ended += 1
            self.cancelled.set()


@dataclass
class Pair:
    """A server on a network in memory, with one channel to it."""

    network: MemoryNetwork
    server: Server
    nursery: trio.Nursery

    @asynccontextmanager
    async def channel(self, limits: LinkLimits | None = None) -> AsyncIterator[Channel]:
        stream = await self.network.connect("server")
        async with connect(stream, authority="server", codec=CODEC, limits=limits) as channel:
            yield channel

    async def raw(self) -> "RawClient":
        return RawClient(await self.network.connect("server"))

    async def check_serves(self) -> None:
        """A fresh connection works."""
        async with self.channel() as channel:
            assert await call_unary(channel, b"still there") == b"still there"


@asynccontextmanager
async def serving(
    handlers: Mapping[Method, Handler], limits: LinkLimits | None = None
) -> AsyncIterator[Pair]:
    """A server with ``handlers`` beside the echo methods; at the end nothing may be left."""
    network = MemoryNetwork()
    server = Server({**ECHO, **handlers}, codec=CODEC, limits=limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("server")])
        yield Pair(network, server, nursery)
        with trio.fail_after(100):
            await server.drain(0)
    assert server.statistics().connections_open == 0
    assert server.statistics().streams_open == 0


async def send_for_ever(
    stream: ClientStream | ServerStream, message: bytes = bytes(10_000)
) -> None:
    while True:
        await stream.send_message(message)


async def call_unary(channel: Channel, message: bytes, **kwargs: Any) -> bytes:
    async with channel.request(UNARY, **kwargs) as stream:
        await stream.send_message(message, end=True)
        reply = await stream.recv_message()
    assert isinstance(reply, bytes)
    return reply


REQUEST_HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", UNARY.path),
    (":authority", "server"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def request_headers(**changes: str | None) -> list[tuple[str, str]]:
    """A good request's headers, but for ``changes`` (None: without it; ``_`` is ``-``)."""
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    fields = dict(REQUEST_HEADERS)
    for key, value in named.items():
        name = f":{key}" if f":{key}" in fields else key
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return list(fields.items())


def framed(body: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


class RawClient:
    """An HTTP/2 client that does exactly what a test says, over h2."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.h2.initiate_connection()
        self.events: list[h2.events.Event] = []

    def open_windows(self) -> None:
        """Flow control holds the server back no more."""
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        self.h2.increment_flow_control_window(2**31 - 1 - 65535)

    async def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            await self.stream.send_all(data)

    async def request(
        self, headers: list[tuple[str, str]], body: bytes = b"", *, end: bool = True
    ) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, headers, end_stream=end and not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=end)
        await self.flush()
        return stream_id

    async def receive(self) -> bool:
        """One read; False at the connection's end."""
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            return False
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        # The server may have closed by now; what it said before that is still to be read.
        with suppress(trio.BrokenResourceError):
            await self.flush()
        return True

    async def wait_event(self, kind: type[Any], stream_id: int | None = None) -> Any:
        """The next event of this class, which may have come already."""
        with trio.fail_after(1000):
            while True:
                for index, event in enumerate(self.events):
                    if isinstance(event, kind) and (
                        stream_id is None or event.stream_id == stream_id
                    ):
                        return self.events.pop(index)
                assert await self.receive(), f"the connection ended before {kind.__name__}"

    async def wait_end(self) -> h2.events.ConnectionTerminated | None:
        """Until the server closes; its GOAWAY if one came."""
        with trio.fail_after(1000):
            while await self.receive():
                pass
        for event in self.events:
            if isinstance(event, h2.events.ConnectionTerminated):
                return event
        return None

    async def status(self, stream_id: int) -> dict[str, str]:
        """The headers or trailers that end the call, as a dict."""
        with trio.fail_after(1000):
            while True:
                for event in self.events:
                    if (
                        isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived)
                        and event.stream_id == stream_id
                        and event.stream_ended is not None
                    ):
                        return {str(key): str(value) for key, value in event.headers}
                assert await self.receive(), "the connection ended before the status"
