"""A call at its server, for its handler."""

from collections.abc import Callable
from typing import Any, cast

import grpclib.server
import trio
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.events import _DispatchServerEvents
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.metadata import _Metadata, _MetadataLike
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError as Http2Error

from derproto.triogrpc.calls.message import decode_message, frame_message
from derproto.triogrpc.connection.inbound import Deferred
from derproto.triogrpc.connection.protocol import Stream
from derproto.triogrpc.core.deadline import Deadline
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.core.waits import Turns, lock_held
from derproto.triogrpc.sockets.peer import Peer

MAX_STATUS_MESSAGE = 1000
"""Characters of a status message to send: it travels in a header, and peers bound headers."""

# grpclib's hooks around calls: it requires the table, which stays empty.
_NO_EVENTS = _DispatchServerEvents()


class ServerStream(grpclib.server.Stream[Any, Any]):
    """One call: its messages, metadata and end. grpclib's ``server.Stream`` on Trio.

    One task at a time may receive; any number may send, and each message goes out whole.
    Handlers end a call with a status by ``raise GRPCError(Status.X, "why")``.
    """

    peer: str  # type: ignore[assignment]  # the text; grpclib has an object here
    """The client's address as text: ``127.0.0.1:5123``."""
    deadline: Deadline | None
    """The client's deadline for the call; it cancels the handler."""
    metadata: _Metadata
    """The request's metadata, a multidict."""

    def __init__(
        self,
        stream: Stream,
        method: Method,
        *,
        codec: CodecBase,
        metadata: _Metadata,
        deadline: Deadline | None,
        user_agent: str | None,
    ) -> None:
        super().__init__(
            stream,
            method.path,
            method.cardinality,
            method.request_type,
            method.reply_type,
            codec=codec,
            status_details_codec=None,
            dispatch=_NO_EVENTS,
            deadline=deadline,
            user_agent=user_agent,
        )
        self.method = method
        self.metadata = metadata
        self._link_peer: Peer = stream.connection.peer
        self.peer = str(self._link_peer)
        self._h2: Stream = stream
        self._counters = stream.connection.counters
        self._limits = stream.connection.limits
        self._sending = trio.Lock()
        self._turns = Turns()

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The client's verified TLS certificate, as ``ssl.SSLSocket.getpeercert`` gives
        it; None if there is none."""
        return self._link_peer.cert()

    def admit(self) -> None:
        """Ends the newcomer's bounds; a service calls it once it knows its client.

        From now on the call's messages may have ``max_message_bytes``, its connection may have
        ``max_streams`` calls, and the connection gives way to no other. Needed only with
        ``LinkLimits.newcomers``. May be repeated.
        """
        self._h2.admit()

    def give_way(self) -> None:
        """Ends the reader's turn after this message. For a callback of ``deliver`` that woke a task
        which should not wait for further reads."""
        reader = self._h2.connection.shared.reader
        if reader is not None:
            reader.give_way()

    async def wait_read(self) -> None:
        """Waits until all bytes that arrived before this call are read.

        A caller that judges the client's silence needs it: the loop may have been late.
        """
        await self._h2.connection.shared.caught_up()

    async def recv_message(self) -> Any | None:
        """The next message, None when the client has ended its half.

        The client may send as much as the stream's window holds before a message is taken.

        Raises: GRPCError for a message that cannot be decoded (INVALID_ARGUMENT), is too large
        (RESOURCE_EXHAUSTED) or compressed (UNIMPLEMENTED). If the handler lets it pass, the call
        ends with that status.
        Cancellation: loses nothing. Lets other tasks run at least every 32 messages.
        """
        await self._turns.step()
        try:
            body = await self._h2.buffer.receive()
            if body is None:
                return None
            message = decode_message(self._codec, body, self._recv_type, Status.INVALID_ARGUMENT)
        except GRPCError:
            self._counters.errors["message"] += 1
            raise
        self._messages_received += 1
        self._counters.messages_received += 1
        return message

    async def deliver(self, on_message: Callable[[Any], Deferred | None]) -> None:
        """Hands each message to ``on_message`` until the client has ended its half.

        The fast way to receive: ``on_message`` is called in the reading task as bytes arrive, so
        it must not block. If it has to wait it returns a function, which is called and awaited
        here; until then no further message is delivered, and the window stays closed. After 64
        messages in a row other connections have their turn.

        Raises: as ``recv_message``, and what ``on_message`` and its rest raise.
        Cancellation: keeps messages that were not delivered.
        """

        codec, message_type, counters = self._codec, self._recv_type, self._counters

        def take(body: bytes) -> Deferred | None:
            message = decode_message(codec, body, message_type, Status.INVALID_ARGUMENT)
            counters.messages_received += 1
            return on_message(message)

        try:
            await self._h2.buffer.deliver(take)
        except GRPCError:
            self._counters.errors["message"] += 1
            raise

    async def send_initial_metadata(self, *, metadata: _MetadataLike | None = None) -> None:
        """Sends the reply's headers now, instead of with the first message.

        Raises: grpclib's ProtocolError, if they were sent.
        """
        async with lock_held(self._sending):
            await self._send_headers(metadata)

    async def send_message(self, message: Any) -> None:
        """Sends one message, whole, when the windows and the write buffer allow it.

        Raises: GRPCError(RESOURCE_EXHAUSTED) if it is too large, before any of it is sent.
        Cancellation: if a part was sent, the call is over.
        When full: waits, as long as the peer reads at all (``send_timeout_s``).
        """
        data = frame_message(self._codec, message, self._send_type, self._limits)
        await self._turns.step()
        async with lock_held(self._sending):
            if self._send_trailing_metadata_done:
                raise ProtocolError("Trailing metadata was already sent")
            if not self._send_initial_metadata_done:
                await self._send_headers(None)
            if self._send_message_done and not self._cardinality.server_streaming:
                raise ProtocolError("Message was already sent")
            await self._h2.send_data(data)
            self._send_message_done = True
        self._messages_sent += 1
        self._counters.messages_sent += 1

    def send_message_nowait(self, message: Any) -> bool:
        """Sends one message if that needs no waiting; False if nothing was sent.

        For a sender with a message for each of a thousand calls: no task wakes. It never sends the
        first message of a call.

        Raises: as ``send_message``.
        """
        if self._sending.locked() or not self._send_message_done:
            return False
        if self._send_trailing_metadata_done or not self._cardinality.server_streaming:
            raise ProtocolError("Message or trailing metadata was already sent")
        if not self._h2.send_data_nowait(
            frame_message(self._codec, message, self._send_type, self._limits)
        ):
            return False
        self._messages_sent += 1
        self._counters.messages_sent += 1
        return True

    async def send_trailing_metadata(
        self,
        *,
        status: Status = Status.OK,
        status_message: str | None = None,
        status_details: Any = None,
        metadata: _MetadataLike | None = None,
    ) -> None:
        """Ends the call with a status and perhaps metadata.

        Raises: grpclib's ProtocolError, if it has ended.
        """
        if status_message is not None:
            status_message = status_message[:MAX_STATUS_MESSAGE]
        async with lock_held(self._sending):
            try:
                await super().send_trailing_metadata(
                    status=status,
                    status_message=status_message,
                    status_details=status_details,
                    metadata=metadata,
                )
            except Http2Error as exc:
                raise StreamTerminatedError("the stream is closed") from exc

    async def cancel(self) -> None:
        """Ends the call without a status, by RST_STREAM."""
        if self._cancel_done:
            raise ProtocolError("Stream was already cancelled")
        self._cancel_done = True
        if self._h2.closable:
            self._h2.reset_nowait(ErrorCodes.CANCEL)

    async def finish(self, error: GRPCError | None) -> None:
        """Ends the call with ``error``'s status or OK, unless the handler has ended it.

        For the server, after the handler.
        """
        if not (self._send_trailing_metadata_done or self._cancel_done or self._h2.torn):
            try:
                if error is None:
                    await self.send_trailing_metadata()
                else:
                    await self.send_trailing_metadata(
                        status=error.status, status_message=error.message
                    )
            except StreamTerminatedError:
                return
        if self._h2.closable:
            # The client need not send messages that the handler will not receive.
            self._h2.reset_nowait(ErrorCodes.NO_ERROR)

    @property
    def sendable(self) -> bool:
        """Whether a message can still be sent to the client."""
        return self._h2.closable

    @property
    def reply_missing(self) -> bool:
        """Whether the call's single reply was not sent."""
        return not (
            self._cardinality.server_streaming
            or self._send_message_done
            or self._send_trailing_metadata_done
            or self._cancel_done
        )

    async def _send_headers(self, metadata: _MetadataLike | None) -> None:
        try:
            await super().send_initial_metadata(metadata=cast(Any, metadata))
        except Http2Error as exc:
            raise StreamTerminatedError("the stream is closed") from exc
