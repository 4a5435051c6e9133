"""One connection: HTTP/2 over one Trio stream, the same at both ends.

``run`` is the connection's task. It owns the nursery for calls and for slow sends. Tasks that all
connections share (``shared.py``) read, send, and send a PING to silent peers. They call into this
module, and no error leaves these calls. Every end goes through ``end``, which notes the reason and
wakes ``run``; ``run`` does the rest.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import grpclib.protocol
import trio
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.events import DataReceived
from h2.exceptions import ProtocolError

from derproto.base.runtime import shielded_for
from derproto.stdio.log_events import event_log
from derproto.triogrpc.connection.data_frames import FastHttp2
from derproto.triogrpc.connection.processor import Processor
from derproto.triogrpc.connection.protocol import Connection, Headers, Stream
from derproto.triogrpc.core.call_scopes import CallScopes
from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.link_errors import ConnectionLost, Flooding, PeerStalled, error_name
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.waits import Flag
from derproto.triogrpc.sockets.handshakes import (
    HandshakeFailed,
    is_tls_error,
    shake_hands,
    tls_reason,
)
from derproto.triogrpc.sockets.peer import Peer
from derproto.triogrpc.sockets.reading import read_alone
from derproto.triogrpc.sockets.shared import Attended, Shared
from derproto.triogrpc.sockets.transport import Transport

log = event_log(__name__)

FLUSH_S = 1.0
"""Time to send the last bytes of a connection, its GOAWAY among them, seconds."""

CLOSE_S = 1.0
"""Time to close the stream itself, which should not wait at all, seconds."""

ServeCall = Callable[[Stream, Headers], Awaitable[None]]


class Link(grpclib.protocol.AbstractHandler):
    """One connection from its first byte to its last. It owns ``stream``.

    A server gives ``serve_call``, which runs for each call and must contain its own errors.
    ``on_settled`` is called once, when the handshake has succeeded or failed; ``on_admitted`` once,
    when the service has admitted the peer.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        limits: LinkLimits,
        counters: Counters,
        shared: Shared,
        serve_call: ServeCall | None = None,
        on_settled: Callable[["Link"], None] = lambda _link: None,
        on_admitted: Callable[["Link"], None] = lambda _link: None,
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._counters = counters
        self._shared = shared
        self._serve_call = serve_call
        self._on_settled = on_settled
        self._transport = Transport(
            stream,
            limits,
            counters,
            shared.writer,
            pause=self._pause_senders,
            resume=self._resume_senders,
            overflow=self._overflow,
            broken=self._cannot_send,
        )
        self._http2 = FastHttp2(limits, client_side=serve_call is None)
        self.peer = Peer(stream)
        self.connection = Connection(
            self._http2,
            self._transport,
            limits,
            counters,
            self.peer,
            shared,
            on_admitted=partial(on_admitted, self),
        )
        self.processor = Processor(self, self.connection, self)
        self._calls: trio.Nursery | None = None
        self._reading = trio.CancelScope()
        self.began_at = trio.current_time()
        self._attended = Attended(
            self.began_at,
            keepalive_s=limits.keepalive_time_s,
            timeout_s=limits.keepalive_timeout_s,
        )
        self._ready = Flag()
        self._closed = Flag()
        self._goodbye = ErrorCodes.NO_ERROR
        self._flush_s = FLUSH_S
        self._draining = False
        self.reason: str | None = None
        self.peer_goes_away = False

    # -- life ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Carries the connection until it ends, for any reason, and closes the stream.

        Cancellation: closes at once, without the last bytes.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._calls = nursery
                try:
                    self._reading.deadline = trio.current_time() + self._limits.handshake_timeout_s
                    with self._reading:
                        await self._carry(nursery)
                    if self.reason is None:
                        self.end("no HTTP/2 settings in time", "handshake")
                    self._say_goodbye()
                    self._cut_calls()
                    with trio.move_on_after(self._flush_s):
                        await self._transport.wait_sent()
                finally:
                    # Before the nursery closes, because slow sends would need it.
                    self._transport.abandon()
                nursery.cancel_scope.cancel()
        finally:
            self.end("connection closed")
            self._cut_calls()
            self._shared.leave(self._attended)
            self._settle()
            self._closed.set()
            with shielded_for(CLOSE_S):
                await trio.aclose_forcefully(self._stream)
            if self._serve_call is not None:
                self._take_apart()

    def _take_apart(self) -> None:
        """Breaks the circles of references between the parts of a server's connection.

        It is then freed at once. The garbage collector seldom runs here, and a flood of connections
        would leave 13 KB each until then.
        """
        self._transport.forget_owner()
        for part in (self._http2, self.processor, self.connection):
            vars(part).clear()

    def end(self, reason: str, kind: str | None = None) -> None:
        """Ends the connection; the first reason counts."""
        if self.reason is not None:
            return
        self.reason = reason
        if kind is not None:
            self._counters.errors[kind] += 1
            log.warning("connection ends", peer=self.peer, error=kind, reason=reason)
        else:
            log.debug("connection ends", peer=self.peer, reason=reason)
        self._reading.cancel()

    def yield_place(self) -> None:
        """Ends at once, without the last bytes, to make room for another connection."""
        self._flush_s = 0
        self.end("another connection needs its place", "yielded")

    async def wait_ready(self) -> None:
        """Waits for the peer's SETTINGS.

        Raises: ConnectionLost, if the connection ended instead.
        """
        await self._ready.wait()
        self.check_open()

    async def wait_closed(self) -> None:
        """Waits until the connection has ended and its calls are cut."""
        await self._closed.wait()

    def check_open(self) -> None:
        """Raises: ConnectionLost, if the connection has ended."""
        if self.reason is not None:
            raise ConnectionLost(self.reason)

    def _say_goodbye(self) -> None:
        if self._http2.state_machine.state is not ConnectionState.CLOSED:
            self._http2.close_connection(self._goodbye)
        self.connection.flush()

    def _cut_calls(self) -> None:
        self.processor.close(self.reason or "connection closed")

    # -- reading ------------------------------------------------------------------------

    async def _carry(self, nursery: trio.Nursery) -> None:
        """Reads until cancelled, which ``end`` does."""
        try:
            if not await self._agree_on_tls():
                return
            self.connection.flush()
            self._transport.open(nursery)
            self._attended.heard_at = trio.current_time()
            self._shared.attend(self._attended, self._look)
            reader = self._shared.reader
            if reader is not None and isinstance(self._stream, trio.SocketStream):
                with reader.reading(self._stream.socket._sock, self._take_bytes):  # type: ignore[attr-defined]
                    await trio.sleep_forever()
            await read_alone(self._stream, self._take_bytes)
        except trio.BrokenResourceError as error:
            if is_tls_error(error):
                self.end(f"connection lost: TLS: {tls_reason(error)}", "tls")
            self.end("connection lost")
        except trio.ClosedResourceError:
            self.end("connection lost")

    def _take_bytes(self, data: bytes | None, now: float) -> None:
        """Takes received bytes in the reader's task, and contains every error they cause."""
        if self.reason is not None:
            return
        if not data:
            self.end("connection lost" if data is None else "closed by the peer")
            return
        self._attended.heard_at = now
        self._counters.bytes_received += len(data)
        self.connection.turn.begin()
        try:
            self._receive_bytes(data)
        except Exception as exc:  # noqa: BLE001 - logged there
            self._fail(exc)

    def _fail(self, fault: Exception) -> None:
        """Ends this connection alone, for a bug met in a shared task."""
        log.error("connection failed", peer=self.peer, exc_info=fault)
        self.end(f"internal error: {type(fault).__name__}", "connection")

    async def _agree_on_tls(self) -> bool:
        if not isinstance(self._stream, trio.SSLStream):
            return True
        try:
            protocol = await shake_hands(self._stream)
        except HandshakeFailed as failed:
            self.end(f"TLS handshake failed: {failed}", "tls")
            return False
        if protocol != "h2":
            self.end("TLS without ALPN protocol h2", "tls")
            return False
        return True

    def _receive_bytes(self, data: bytes | bytearray) -> None:
        try:
            for event in self._http2.receive_data(data):
                if event.__class__ is DataReceived:
                    self.processor.process_data_received(event)
                else:
                    self.processor.process(event)
        except ProtocolError as exc:
            # h2 has its GOAWAY ready by now.
            self.end(f"protocol error: {exc}", "protocol")
        except Flooding as exc:
            self._goodbye = ErrorCodes.ENHANCE_YOUR_CALM
            self.end(f"flood: {exc}", "flood")
        self.connection.flush()

    def settled(self) -> None:
        """The peer's first SETTINGS have arrived, within the handshake's deadline."""
        if not self._ready.is_set():
            self._reading.deadline = float("inf")
            self._settle()

    def _settle(self) -> None:
        """Notes, once, that the handshake has succeeded or failed."""
        if not self._ready.is_set():
            self._ready.set()
            self._on_settled(self)

    def going_away(self, last_stream_id: int) -> None:
        """No further calls on this connection."""
        self.peer_goes_away = True

    def terminated(self, error_code: int, detail: bytes | None) -> None:
        """The peer's GOAWAY with an error."""
        words = f": {detail[:100]!r}" if detail else ""
        self.end(f"the peer ended the connection with {error_name(error_code)}{words}")

    # -- writing ------------------------------------------------------------------------

    def _cannot_send(self, error: Exception) -> None:
        if isinstance(error, PeerStalled):
            self.end("the peer does not read", "send_timeout")
        else:
            self.end("connection lost")

    def _pause_senders(self) -> None:
        self.connection.write_ready.clear()

    def _resume_senders(self) -> None:
        self.connection.write_ready.set()
        for stream in self.processor.streams.values():
            stream.window_updated.set()

    def _overflow(self) -> None:
        self._goodbye = ErrorCodes.ENHANCE_YOUR_CALM
        self.end("flood: the peer causes answers and does not read them", "flood")

    def _look(self, now: float) -> None:
        """Sends a silent peer a PING, and ends the connection if no answer comes."""
        if self.reason is not None:
            return
        try:
            self._judge_silence(now)
        except Exception as exc:  # noqa: BLE001 - logged there
            self._fail(exc)

    def _judge_silence(self, now: float) -> None:
        if self._attended.is_gone(now):
            self.end("no answer to a PING", "keepalive")
        elif self._attended.is_silent(now):
            self._attended.ask(now)
            self._http2.ping(b"triogrpc")
            self.connection.flush()

    # -- calls (a server's link) --------------------------------------------------------

    def accept(
        self, stream: grpclib.protocol.Stream, headers: Headers, release_stream: Callable[[], None]
    ) -> None:
        """Starts a call, for grpclib's processor."""
        assert self._calls is not None
        assert self._serve_call is not None
        assert isinstance(stream, Stream)
        # Before the task runs, as a reset may directly follow the request.
        stream.scopes = CallScopes()
        self._counters.streams_total += 1
        self._counters.streams_open += 1
        self._calls.start_soon(self._run_call, self._serve_call, stream, headers, release_stream)

    async def _run_call(
        self, serve_call: ServeCall, stream: Stream, headers: Headers, release: Callable[[], None]
    ) -> None:
        try:
            await serve_call(stream, headers)
        finally:
            self._counters.streams_open -= 1
            release()
            if self._draining and not self.processor.streams:
                self.end("drained")

    def cancel(self, stream: grpclib.protocol.Stream) -> None:
        """Nothing: a stream cancels its call itself, see ``Stream.fail``."""

    def close(self) -> None:
        """Nothing: see ``end``."""

    def drain(self) -> None:
        """Takes no further calls; the connection ends with the last open one."""
        self._draining = True
        if not self.processor.streams:
            self.end("drained")
        elif self._http2.state_machine.state is not ConnectionState.CLOSED:
            self._http2.announce_goaway()
            self.connection.flush()

    def stop_calls(self, error: grpclib.GRPCError) -> None:
        """Cancels all running handlers; their clients get ``error``."""
        for stream in self.processor.streams.values():
            if stream.scopes is not None:
                stream.scopes.stop(error)
