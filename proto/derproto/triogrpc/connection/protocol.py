"""grpclib's protocol layer, with its waits on Trio.

``Connection`` and ``Stream`` subclass grpclib's. They override the methods that touch asyncio, and
the waits that would not end with the connection.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpclib.protocol
from grpclib.const import Status
from grpclib.exceptions import StreamTerminatedError
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, TooManyStreamsError

from derproto.triogrpc.connection.http2 import Http2
from derproto.triogrpc.connection.inbound import Inbound, Turn
from derproto.triogrpc.core.call_scopes import CallScopes
from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.link_errors import ConnectionLost
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.waits import Flag
from derproto.triogrpc.sockets.peer import Peer
from derproto.triogrpc.sockets.shared import Shared
from derproto.triogrpc.sockets.transport import Transport

Headers = list[tuple[str, str]]

FRAME_BYTES = 16 * 1024
"""Bytes of the largest DATA frame that is sent: as many as every HTTP/2 peer takes. Streams take
turns by frames, and the write buffer may be exceeded by one frame."""


class Connection(grpclib.protocol.Connection):
    """What the streams of one connection share: h2's state, the transport, readiness."""

    write_ready: Flag  # type: ignore[assignment]  # asyncio's Event has the same methods
    stream_close_waiter: Flag  # type: ignore[assignment]
    _connection: Http2
    _transport: Transport  # type: ignore[assignment]

    def __init__(
        self,
        http2: Http2,
        transport: Transport,
        limits: LinkLimits,
        counters: Counters,
        peer: Peer,
        shared: Shared,
        on_admitted: Callable[[], None],
    ) -> None:
        self._connection = http2
        self._transport = transport
        self.limits = limits
        self.counters = counters
        self.peer = peer
        self.shared = shared
        self.client_side = http2.config.client_side
        self.turn = Turn(shared.further_turns)
        self.lost: ConnectionLost | None = None
        self._on_admitted = on_admitted
        self.admitted = limits.newcomers is None
        self.max_streams = (limits.newcomers or limits).max_streams
        self.write_ready = Flag(True)
        self.stream_close_waiter = Flag()

    def admit(self) -> None:
        """The service has admitted the peer: gives the connection its full bounds."""
        if self.admitted:
            return
        self.admitted = True
        self.max_streams = self.limits.max_streams
        self._on_admitted()
        if not self.is_closing():
            self._connection.announce_max_streams(self.max_streams)
            self.flush()

    def initialize(self) -> None:
        """Nothing: grpclib would start its keepalive timer; ours is shared."""

    def create_stream(self, *, stream_id: int | None = None, wrapper: Any = None) -> "Stream":
        return Stream(self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper)

    def ack(self, stream_id: int, size: int) -> None:
        if size and not self._connection.consume(size, stream_id) and not self.is_closing():
            self._connection.acknowledge_received_data(size, stream_id)
            self.flush()

    def flush(self) -> None:
        # Most frames need no answer.
        if self._connection._data_to_send:
            super().flush()

    def get_peer(self) -> Peer:
        return self.peer

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        """Closes; tasks that wait to write or to open a stream wake and find it closed."""
        self._transport.close()
        self.write_ready.set()
        self.stream_close_waiter.set()


class Stream(grpclib.protocol.Stream):
    """One call's HTTP/2 stream. Each wait ends when the stream or the connection does."""

    connection: Connection
    _h2_connection: Http2
    _transport: Transport  # type: ignore[assignment]
    buffer: Inbound  # type: ignore[assignment]
    window_updated: Flag  # type: ignore[assignment]
    headers_received: Flag  # type: ignore[assignment]
    trailers_received: Flag  # type: ignore[assignment]

    def __init__(
        self,
        connection: Connection,
        h2_connection: Http2,
        transport: Transport,
        *,
        stream_id: int | None = None,
        wrapper: Any = None,
    ) -> None:
        self.connection = connection
        self._h2_connection = h2_connection
        self._transport = transport
        self.wrapper = wrapper
        self.scopes: CallScopes | None = None
        self.failure: StreamTerminatedError | None = None
        self.remote_ended = False
        self.torn = False
        self.window_updated = Flag()
        self.headers: Headers | None = None
        self.headers_received = Flag()
        self.trailers: Headers | None = None
        self.trailers_received = Flag()
        if stream_id is not None:
            self.init_stream(stream_id, connection)

    def init_stream(self, stream_id: int, connection: grpclib.protocol.Connection) -> None:
        self.id = stream_id
        self.buffer = Inbound(
            partial(connection.ack, stream_id),
            self.connection.turn,
            self.connection.shared.reassembly,
            limits=self.connection.limits,
            malformed=Status.INTERNAL if self.connection.client_side else Status.INVALID_ARGUMENT,
        )
        self.connection.streams_started += 1

    def admit(self) -> None:
        """See ``ServerStream.admit``."""
        self.buffer.admit(self.connection.limits.max_message_bytes)
        self.connection.admit()

    # -- what the peer does -------------------------------------------------------------

    def __ended__(self) -> None:
        self.remote_ended = True
        self.buffer.eof()
        self._wake()

    def __terminated__(self, reason: str) -> None:
        self.fail(StreamTerminatedError(reason))

    def fail(self, failure: StreamTerminatedError) -> None:
        """Ends every wait on this stream with ``failure``; the first one counts."""
        if self.failure is not None:
            return
        self.failure = failure
        if self.scopes is not None:
            # First, so that a handler that waits here is cancelled, not failed.
            self.scopes.cancel()
        self.buffer.fail(failure)
        self._wake()

    def _wake(self) -> None:
        self.headers_received.set()
        self.trailers_received.set()
        self.window_updated.set()

    # -- receiving ----------------------------------------------------------------------

    async def recv_headers(self) -> Headers:
        await self.headers_received.wait()
        if self.headers is None:
            raise self.failure or StreamTerminatedError("the peer ended the call without headers")
        return self.headers

    async def recv_trailers(self) -> Headers:
        await self.trailers_received.wait()
        if self.trailers is None:
            raise self.failure or StreamTerminatedError("the peer ended the call without a status")
        return self.trailers

    # -- sending ------------------------------------------------------------------------

    def check_sendable(self) -> None:
        """Raises: StreamTerminatedError if nothing can be sent on this stream any more."""
        if self.failure is not None:
            raise self.failure
        if self.connection.lost is not None:
            raise self.connection.lost
        if self.torn:
            raise StreamTerminatedError("an earlier message was cut short")
        if self.remote_ended and self.connection.client_side:
            raise StreamTerminatedError("the server has ended the call")

    async def send_request(
        self,
        headers: Headers,
        end_stream: bool = False,
        *,
        _processor: grpclib.protocol.EventsProcessor,
    ) -> Callable[[], None]:
        connection, http2 = self.connection, self._h2_connection
        while True:
            await connection.write_ready.wait()
            self.check_sendable()
            stream_id = http2.get_next_available_stream_id()
            try:
                http2.send_headers(stream_id, headers, end_stream=end_stream)
            except TooManyStreamsError:
                connection.stream_close_waiter.clear()
                await connection.stream_close_waiter.wait()
            else:
                break
        self.init_stream(stream_id, connection)
        release = _processor.register(self)
        connection.flush()
        return release

    async def send_data(self, data: bytes, end_stream: bool = False) -> None:
        """Sends all of ``data``, as the windows and the write buffer allow.

        Cancellation: if a part of the message was sent, the stream is reset, as nothing could
        follow that part.
        """
        assert self.id is not None
        http2, connection = self._h2_connection, self.connection
        sent, size = 0, len(data)
        try:
            while True:
                self.check_sendable()
                room = min(http2.local_flow_control_window(self.id), FRAME_BYTES)
                if not connection.write_ready.is_set() or (room <= 0 and size):
                    # One flag for both: the connection sets it when it can write again.
                    self.window_updated.clear()
                    await self.window_updated.wait()
                    continue
                end = min(size, sent + room)
                http2.send_data(self.id, data[sent:end], end_stream and end == size)
                connection.flush()
                sent = end
                if sent == size:
                    return
        except ProtocolError as exc:
            raise StreamTerminatedError("the stream is closed") from exc
        finally:
            if 0 < sent < size:
                self.torn = True
                if self.closable:
                    self.reset_nowait(ErrorCodes.CANCEL)

    def send_data_nowait(self, data: bytes) -> bool:
        """Sends all of ``data`` if windows and write buffer allow it now, else nothing."""
        assert self.id is not None
        self.check_sendable()
        connection, http2 = self.connection, self._h2_connection
        if not connection.write_ready.is_set() or len(data) > FRAME_BYTES:
            return False
        try:
            if len(data) > http2.local_flow_control_window(self.id):
                return False
            http2.send_data(self.id, data)
        except ProtocolError as exc:
            raise StreamTerminatedError("the stream is closed") from exc
        connection.flush()
        return True

    async def end(self) -> None:
        assert self.id is not None
        await self.connection.write_ready.wait()
        self.check_sendable()
        self._h2_connection.end_stream(self.id)
        self.connection.flush()

    def reset_nowait(self, error_code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        assert self.id is not None
        self._h2_connection.reset_stream(self.id, error_code=error_code)
        # Also while senders wait: a reset frees what they wait for.
        self.connection.flush()
