"""A server's handlers: each runs within a border that turns its exceptions into a status."""

from collections.abc import Awaitable, Callable, Iterator, Mapping

from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import encode_grpc_message
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError as Http2Error

from derproto.stdio.log_events import event_log
from derproto.triogrpc.calls.request import Refusal, read_request
from derproto.triogrpc.calls.server_stream import ServerStream
from derproto.triogrpc.connection.protocol import Headers, Stream
from derproto.triogrpc.core.call_scopes import CallScopes
from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.method import Method

log = event_log(__name__)

Handler = Callable[[ServerStream], Awaitable[None]]

SHUTTING_DOWN = "The server is shutting down"


class Handlers:
    """The handlers of one server, by the method that each serves."""

    def __init__(
        self, handlers: Mapping[Method, Handler], codec: CodecBase, counters: Counters
    ) -> None:
        self._handlers = dict(handlers)
        self._methods = {method.path: method for method in handlers}
        self._codec = codec
        self._counters = counters
        self.draining = False
        """Whether further calls are refused."""

    async def serve(self, stream: Stream, headers: Headers) -> None:
        """Serves one call to its end, and contains every exception of its handler."""
        scopes = stream.scopes
        assert scopes is not None
        with scopes.whole:
            request = read_request(headers, self._methods, self._codec.__content_subtype__)
            if isinstance(request, Refusal):
                self._counters.errors["request"] += 1
                await _refuse(stream, request)
                return
            if self.draining:
                self._counters.streams_refused += 1
                await _refuse(stream, Refusal(200, Status.UNAVAILABLE, SHUTTING_DOWN))
                return
            call = ServerStream(
                stream,
                request.method,
                codec=self._codec,
                metadata=request.metadata,
                deadline=request.deadline,
                user_agent=request.user_agent,
            )
            if request.deadline is not None:
                scopes.work.deadline = request.deadline.at
            error = await self._run_handler(call, scopes)
            await call.finish(error)

    async def _run_handler(self, call: ServerStream, scopes: CallScopes) -> GRPCError | None:
        """Runs the handler of ``call``; returns the error that the call ends with, None for OK."""
        raised: GRPCError | None = None
        with scopes.work:
            try:
                await self._handlers[call.method](call)
            except* Exception as group:  # noqa: BLE001 - logged by _judge, the border
                # Here, because a Cancelled in the same group goes on past this function.
                raised = self._judge(call, group)
        if raised is not None:
            return raised
        if scopes.work.cancelled_caught:
            if scopes.stopped is not None:
                return scopes.stopped
            return GRPCError(Status.DEADLINE_EXCEEDED, "Deadline exceeded")
        if call.reply_missing and call.sendable:
            self._counters.errors["handler"] += 1
            log.error("handler returned without a reply", method=call.method.path)
            return GRPCError(Status.UNKNOWN, "Internal Server Error")
        return None

    def _judge(self, call: ServerStream, group: ExceptionGroup[Exception]) -> GRPCError | None:
        """The status for the handler's exceptions; logs those that are bugs."""
        status: GRPCError | None = None
        fault = False
        for error in _leaves(group):
            if isinstance(error, GRPCError):
                status = status or error
            elif isinstance(error, StreamTerminatedError) and not call.sendable:
                pass  # sending to a client that is gone is no fault
            else:
                fault = True
                self._counters.errors["handler"] += 1
                log.error("handler failed", method=call.method.path, exc_info=error)
        if status is None and fault:
            return GRPCError(Status.UNKNOWN, "Internal Server Error")
        return status


async def _refuse(stream: Stream, refusal: Refusal) -> None:
    headers = [(":status", str(refusal.http_status))]
    if refusal.status is not None:
        headers.append(("content-type", "application/grpc"))
        headers.append(("grpc-status", str(refusal.status.value)))
    if refusal.message is not None:
        headers.append(("grpc-message", encode_grpc_message(refusal.message)))
    try:
        await stream.send_headers(headers, end_stream=True)
    except Http2Error:
        return
    if stream.closable:
        stream.reset_nowait(ErrorCodes.NO_ERROR)


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
