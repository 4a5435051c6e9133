"""The headend's link without one of its pieces, to measure the worth of the piece."""

import gc
from collections.abc import Callable
from typing import Any

import trio

import derproto.headend_rpc
from derproto.codec import TelemetryColumns
from derproto.der.v1 import AgentMessage
from derproto.triogrpc import Deferred, LinkLimits, ServerStream, server
from derproto.triogrpc.connection import link
from derproto.triogrpc.connection.http2 import Http2
from derproto.triogrpc.sockets import transport
from derproto.triogrpc.sockets.shared import Shared


def shared_reader() -> None:
    """A task for each connection waits for its socket, and reads it."""

    def reads_alone(limits: LinkLimits, *, reads: bool) -> Shared:
        return Shared(limits, reads=False)

    _replace(server, "Shared", reads_alone)


def data_frames() -> None:
    """DATA frames go through h2, like all other frames."""
    _replace(link, "FastHttp2", Http2)


def callback() -> None:
    """A task for each call wakes for its messages."""

    async def deliver(self: ServerStream, on_message: Callable[[Any], Deferred | None]) -> None:
        while (message := await self.recv_message()) is not None:
            rest = on_message(message)
            if rest is not None:
                await rest()

    _replace(ServerStream, "deliver", deliver)


def shared_writer() -> None:
    """A task for each connection sends its gathered bytes."""

    async def send(each: transport.Transport) -> None:
        await trio.lowlevel.checkpoint()
        each.send_nowait()

    def add(self: transport.SharedWriter, each: transport.Transport) -> None:
        assert each._tasks is not None
        each._tasks.start_soon(send, each)

    _replace(transport.SharedWriter, "add", add)


def compiled_codec() -> None:
    """betterproto2 decodes, and its lists become columns."""

    def decode_agent(data: bytes) -> AgentMessage | TelemetryColumns:
        message = AgentMessage.parse(data)
        telemetry = message.telemetry
        return message if telemetry is None else TelemetryColumns.from_message(telemetry)

    _replace(derproto.headend_rpc, "decode_agent", decode_agent)


def collector_thresholds() -> None:
    """The garbage collector keeps Python's own thresholds."""
    gc.set_threshold(700, 10, 10)


def _replace(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, value)


PIECES: dict[str, Callable[[], None]] = {
    piece.__name__: piece
    for piece in (
        shared_reader,
        data_frames,
        callback,
        shared_writer,
        compiled_codec,
        collector_thresholds,
    )
}
