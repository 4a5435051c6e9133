"""One connection: HTTP/2 over one Trio stream, the same at both ends.

Three tasks: ``_read`` takes bytes in and hands events on, ``_write`` sends what was
gathered, ``_keep_alive`` asks a silent peer whether it is there. A server's link also
owns the nursery in which its calls run. Whatever ends the connection goes through
``end``, which only notes the reason and stops the reading; ``run`` does the rest.
"""

import logging
import ssl
from collections.abc import Awaitable, Callable

import grpclib.protocol
import trio
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from derproto.base.runtime import shielded_for
from derproto.triogrpc.call_scopes import CallScopes
from derproto.triogrpc.counters import Counters
from derproto.triogrpc.errors import ConnectionLost, Flooding, PeerStalled, error_name
from derproto.triogrpc.fast import FastHttp2
from derproto.triogrpc.limits import LinkLimits
from derproto.triogrpc.peer import Peer
from derproto.triogrpc.processor import Processor
from derproto.triogrpc.protocol import Connection, Headers, Stream
from derproto.triogrpc.sockets import reader_of
from derproto.triogrpc.transport import Transport
from derproto.triogrpc.waits import Flag

log = logging.getLogger(__name__)

FLUSH_S = 1.0
"""For the last bytes of a connection that ends, its GOAWAY among them."""

CLOSE_S = 1.0
"""For the closing of the stream itself, which should not wait at all."""

ServeCall = Callable[[Stream, Headers], Awaitable[None]]


class Link(grpclib.protocol.AbstractHandler):
    """One connection from its first byte to its last. It owns ``stream``.

    ``serve_call`` makes it a server's: it is run for each call and must contain its own
    errors. ``on_settled`` is called once, when the handshake is over, well or not.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        limits: LinkLimits,
        counters: Counters,
        serve_call: ServeCall | None = None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._counters = counters
        self._serve_call = serve_call
        self._on_settled = on_settled
        self._transport = Transport(
            stream,
            limits,
            counters,
            pause=self._pause_senders,
            resume=self._resume_senders,
            overflow=self._overflow,
        )
        self._http2 = FastHttp2(limits, client_side=serve_call is None)
        self.peer = Peer(stream)
        self.connection = Connection(self._http2, self._transport, limits, counters, self.peer)
        self.processor = Processor(self, self.connection, self)
        self._calls: trio.Nursery | None = None
        self._reading = trio.CancelScope()
        self._heard_at = trio.current_time()
        self._reads = 0
        # Up while there is no writer to wait for.
        self._written = Flag(True)
        self._ready = Flag()
        self._closed = Flag()
        self._goodbye = ErrorCodes.NO_ERROR
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
                self._reading.deadline = trio.current_time() + self._limits.handshake_timeout_s
                with self._reading:
                    await self._read(nursery)
                if self.reason is None:
                    self.end("no HTTP/2 settings in time", "handshake")
                self._say_goodbye()
                self._cut_calls()
                with trio.move_on_after(FLUSH_S):
                    await self._written.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.end("connection closed")
            self._cut_calls()
            self._settle()
            self._closed.set()
            with shielded_for(CLOSE_S):
                await trio.aclose_forcefully(self._stream)

    def end(self, reason: str, kind: str | None = None) -> None:
        """Notes why the connection ends, and makes it end. The first reason counts."""
        if self.reason is not None:
            return
        self.reason = reason
        if kind is not None:
            self._counters.errors[kind] += 1
            log.warning("connection with %s ends: %s", self.peer, reason)
        else:
            log.debug("connection with %s ends: %s", self.peer, reason)
        self._reading.cancel()

    async def wait_ready(self) -> None:
        """Until the peer's SETTINGS are here.

        Raises: ConnectionLost, if the connection ended instead.
        """
        await self._ready.wait()
        self.check_open()

    async def wait_closed(self) -> None:
        """Until the connection has ended and its calls are cut."""
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

    async def _read(self, nursery: trio.Nursery) -> None:
        try:
            if not await self._agree_on_tls():
                return
            self.connection.flush()
            self._written.clear()
            nursery.start_soon(self._write)
            nursery.start_soon(self._keep_alive)
            receive = reader_of(self._stream)
            while self.reason is None:
                data = await receive()
                if not data:
                    self.end("closed by the peer")
                    return
                self._heard_at = trio.current_time()
                self._reads += 1
                self._counters.bytes_received += len(data)
                self._receive_bytes(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end("connection lost")
        except Exception as exc:  # the border: nothing a peer sends goes further
            log.exception("connection with %s failed", self.peer)
            self.end(f"internal error: {type(exc).__name__}", "connection")

    async def _agree_on_tls(self) -> bool:
        if not isinstance(self._stream, trio.SSLStream):
            return True
        try:
            await self._stream.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError) as exc:
            self.end(f"TLS handshake failed: {exc.__cause__ or exc}", "tls")
            return False
        if self._stream.selected_alpn_protocol() != "h2":
            self.end("TLS without ALPN protocol h2", "tls")
            return False
        return True

    def _receive_bytes(self, data: bytes | bytearray) -> None:
        try:
            for event in self._http2.receive_data(data):
                self.processor.process(event)
        except ProtocolError as exc:
            # h2 has its GOAWAY ready by now.
            self.end(f"protocol error: {exc}", "protocol")
        except Flooding as exc:
            self._goodbye = ErrorCodes.ENHANCE_YOUR_CALM
            self.end(f"flood: {exc}", "flood")
        self.connection.flush()

    def settled(self) -> None:
        """The first SETTINGS are here: the handshake's deadline is met."""
        if not self._ready.is_set():
            self._reading.deadline = float("inf")
            self._settle()

    def _settle(self) -> None:
        """The handshake is over, well or not: once."""
        if not self._ready.is_set():
            self._ready.set()
            self._on_settled()

    def going_away(self, last_stream_id: int) -> None:
        """No further calls on this connection."""
        self.peer_goes_away = True

    def terminated(self, error_code: int, detail: bytes | None) -> None:
        """The peer's GOAWAY with an error."""
        words = f": {detail[:100]!r}" if detail else ""
        self.end(f"the peer ended the connection with {error_name(error_code)}{words}")

    # -- writing ------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            await self._transport.send_gathered()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.end("connection lost")
        except PeerStalled:
            self.end("the peer does not read", "send_timeout")
        finally:
            self._transport.close()
            self._written.set()

    def _pause_senders(self) -> None:
        self.connection.write_ready.clear()

    def _resume_senders(self) -> None:
        self.connection.write_ready.set()
        for stream in self.processor.streams.values():
            stream.window_updated.set()

    def _overflow(self) -> None:
        self._goodbye = ErrorCodes.ENHANCE_YOUR_CALM
        self.end("flood: the peer makes us answer and does not read", "flood")

    async def _keep_alive(self) -> None:
        limits = self._limits
        while True:
            await trio.sleep_until(self._heard_at + limits.keepalive_time_s)
            if trio.current_time() < self._heard_at + limits.keepalive_time_s:
                continue
            received = self._reads
            self._http2.ping(b"triogrpc")
            self.connection.flush()
            await trio.sleep(limits.keepalive_timeout_s)
            # If it was the loop that was late, the answer is there to be read first.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            if self._reads == received:
                self.end("no answer to a PING", "keepalive")
                return

    # -- calls (a server's link) --------------------------------------------------------

    def accept(
        self, stream: grpclib.protocol.Stream, headers: Headers, release_stream: Callable[[], None]
    ) -> None:
        """Starts a call: what grpclib's processor asks of its handler."""
        assert self._calls is not None
        assert self._serve_call is not None
        assert isinstance(stream, Stream)
        # Before the task runs, as a reset may stand right behind the request.
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
        """No further calls; the connection ends with the last of those that run."""
        self._draining = True
        if not self.processor.streams:
            self.end("drained")
        elif self._http2.state_machine.state is not ConnectionState.CLOSED:
            self._http2.announce_goaway()
            self.connection.flush()

    def stop_calls(self, error: grpclib.GRPCError) -> None:
        """Cancels the handlers that still run; their clients get ``error``."""
        for stream in self.processor.streams.values():
            if stream.scopes is not None:
                stream.scopes.stop(error)
