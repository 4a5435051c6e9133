"""A call at its client."""

from types import TracebackType
from typing import Any, Protocol, Self, cast

import grpclib.client
import trio
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.events import _DispatchChannelEvents
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.metadata import _Metadata, decode_metadata
from h2.errors import ErrorCodes

from derproto.triogrpc.calls.message import decode_message, frame_message
from derproto.triogrpc.connection.link import Link
from derproto.triogrpc.connection.protocol import Stream
from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.deadline import Deadline
from derproto.triogrpc.core.link_errors import StreamReset, status_of_reset
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.core.waits import TimedWaits, Turns, lock_held

# grpclib's hooks around calls: it requires the table, which stays empty.
_NO_EVENTS = _DispatchChannelEvents()


class Connecting(Protocol):
    """What grpclib asks of a channel before it sends a request."""

    async def __connect__(self) -> Link: ...


class ClientStream(grpclib.client.Stream[Any, Any]):
    """One call, as its caller sees it. grpclib's ``client.Stream`` on Trio.

    One task may send while another receives. Leaving the block ends the call. A call
    with a single reply waits for its status; any other call that has not ended is reset.

    Raises (from every method): GRPCError with the server's status as soon as it is known. A sender
    gets it too: ``Status.OK`` if the server ended the call before the client did. Also
    GRPCError(DEADLINE_EXCEEDED) and ConnectionLost.
    """

    _stream: Stream
    _wrapper: TimedWaits  # type: ignore[assignment]  # grpclib's is for asyncio's tasks
    trailing_metadata: _Metadata | None
    initial_metadata: _Metadata | None

    def __init__(
        self,
        channel: Connecting,
        method: Method,
        metadata: _Metadata,
        deadline: Deadline | None,
        *,
        codec: CodecBase,
        limits: LinkLimits,
        counters: Counters,
    ) -> None:
        super().__init__(
            cast(Any, channel),
            method.path,
            metadata,
            method.cardinality,
            method.request_type,
            method.reply_type,
            codec=codec,
            status_details_codec=None,
            dispatch=_NO_EVENTS,
            deadline=deadline,
        )
        self.method = method
        self._limits = limits
        self._counters = counters
        self._wrapper = TimedWaits() if deadline is None else TimedWaits(deadline.at)
        self._sending = trio.Lock()
        self._turns = Turns()
        self._status_known = False

    # -- sending ------------------------------------------------------------------------

    async def send_request(self, *, end: bool = False) -> None:
        """Sends the request's headers, which begins the call.

        ``send_message`` does it by itself, so only a task that receives first needs it. ``end``
        also ends the sending half, without a message.
        When full: waits while the server's limit of concurrent calls is reached.
        """
        async with lock_held(self._sending):
            await self._send_request(end)

    async def send_message(self, message: Any, *, end: bool = False) -> None:
        """Sends one message, whole; the last one with ``end``.

        Raises: GRPCError(RESOURCE_EXHAUSTED) if it is too large, before any of it is sent.
        Cancellation: if a part was sent, the call is over.
        When full: waits, as long as the server reads at all (``send_timeout_s``).
        """
        data = frame_message(self._codec, message, self._send_type, self._limits)
        async with lock_held(self._sending):
            if not self._send_request_done:
                await self._send_request(False)
            if self._end_done or (self._send_message_done and not self._may_send_more):
                raise ProtocolError("Stream is ended")
            end = end or not self._may_send_more
            try:
                with self._wrapper:
                    await self._turns.step()
                    await self._stream.send_data(data, end_stream=end)
            except StreamTerminatedError as exc:
                raise self._verdict(exc) from exc
            self._send_message_done = True
            self._end_done = end
        self._messages_sent += 1
        self._counters.messages_sent += 1

    async def end(self) -> None:
        """Ends the sending half, after the last message."""
        async with lock_held(self._sending):
            if not self._send_request_done:
                raise ProtocolError("Request was not sent")
            if self._end_done:
                return
            if not self._may_send_more:
                raise ProtocolError("Unary request requires a single message to be sent")
            try:
                with self._wrapper:
                    await self._stream.end()
            except StreamTerminatedError as exc:
                raise self._verdict(exc) from exc
            self._end_done = True

    @property
    def _may_send_more(self) -> bool:
        return bool(self._cardinality.client_streaming)

    async def _send_request(self, end: bool) -> None:
        try:
            await super().send_request(end=end)
        except StreamTerminatedError as exc:
            raise self._verdict(exc) from exc

    # -- receiving ----------------------------------------------------------------------

    async def recv_initial_metadata(self) -> None:
        """Waits for the reply's headers; ``initial_metadata`` has them then."""
        try:
            await super().recv_initial_metadata()
        except StreamTerminatedError as exc:
            raise self._verdict(exc) from exc
        except GRPCError:
            self._status_known = True
            raise
        except ValueError as exc:
            raise _bad_metadata(exc) from exc

    async def recv_message(self) -> Any | None:
        """The next message, None when the server has ended the call with OK.

        Messages that arrived whole before the call failed are still returned.

        Raises: GRPCError with the server's status; GRPCError(INTERNAL) for bytes that cannot be
        decoded.
        Cancellation: loses nothing. Lets other tasks run at least every 32 messages.
        """
        if not self._recv_initial_metadata_done:
            await self.recv_initial_metadata()
        with self._wrapper:
            await self._turns.step()
            try:
                body = await self._stream.buffer.receive()
            except StreamTerminatedError as exc:
                raise self._verdict(exc) from exc
        if body is None:
            await self.recv_trailing_metadata()
            if not (self._messages_received or self._cardinality.server_streaming):
                raise GRPCError(Status.INTERNAL, "The server said OK and sent no message")
            return None
        message = decode_message(self._codec, body, self._recv_type, Status.INTERNAL)
        self._messages_received += 1
        self._counters.messages_received += 1
        return message

    async def recv_trailing_metadata(self) -> None:
        """Waits for the status and sets ``trailing_metadata``. May be repeated.

        The status may never come while earlier messages are not received.
        """
        if not self._recv_initial_metadata_done:
            raise ProtocolError("Initial metadata was not received")
        if not self._recv_trailing_metadata_done and not self._trailers_only:
            with self._wrapper:
                try:
                    trailers = await self._stream.recv_trailers()
                except StreamTerminatedError as exc:
                    raise self._verdict(exc) from exc
            try:
                self.trailing_metadata = decode_metadata(trailers)
            except ValueError as exc:
                raise _bad_metadata(exc) from exc
        self._recv_trailing_metadata_done = True
        self._raise_status()

    def _raise_status(self) -> None:
        """Raises: GRPCError, if the server ended the call with another status than OK."""
        self._status_known = True
        headers = dict(self._stream.trailers or self._stream.headers or ())
        status, message, _ = self._process_grpc_status(headers)
        self._raise_for_grpc_status(status, message, None)

    def _verdict(self, error: StreamTerminatedError) -> Exception:
        """The best known reason for the call's end: its status, a reset's status, or ``error``."""
        if self._send_request_done:
            headers = dict(self._stream.trailers or self._stream.headers or ())
            if "grpc-status" in headers:
                try:
                    self._raise_status()
                except GRPCError as status:
                    return status
                return GRPCError(Status.OK, "The server has ended the call")
            if self._stream.remote_ended:
                self._status_known = True
                return GRPCError(Status.UNKNOWN, "The server ended the call without a status")
        if isinstance(error, StreamReset):
            self._status_known = True
            return GRPCError(status_of_reset(error.error_code), str(error))
        return error

    # -- the call -----------------------------------------------------------------------

    async def cancel(self) -> None:
        """Ends the call by RST_STREAM; the server's handler is cancelled."""
        if not self._send_request_done:
            raise ProtocolError("Request was not sent yet")
        if self._cancel_done:
            raise ProtocolError("Stream was already cancelled")
        self._cancel_done = True
        if self._stream.closable:
            self._stream.reset_nowait(ErrorCodes.CANCEL)
        self._stream.fail(StreamTerminatedError("the call was cancelled here"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not self._send_request_done:
            return
        try:
            if exc is None and self._reply_is_due:
                while await self.recv_message() is not None:
                    pass
        finally:
            if self._stream.closable:
                self._stream.reset_nowait(ErrorCodes.CANCEL)
            self._release_stream()

    @property
    def _reply_is_due(self) -> bool:
        return (
            self._end_done
            and not self._cardinality.server_streaming
            and not self._status_known
            and not self._cancel_done
        )


def _bad_metadata(error: ValueError) -> GRPCError:
    return GRPCError(Status.INTERNAL, f"The server sent invalid metadata: {error}")
