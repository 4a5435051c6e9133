"""The accept loop. An exception of one connection ends that connection only.

In Hypercorn's own ``serve`` the exception of one malformed request ends the server, and with it
the process.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import trio
from hypercorn.trio.worker_context import WorkerContext

from derhead.httpserver.http_app import HttpApp
from derhead.httpserver.http_bounds.held_answers import HeldAnswers
from derhead.httpserver.http_bounds.http_limits import HttpLimits
from derhead.httpserver.http_bounds.places import Places
from derhead.httpserver.http_connection import HttpConnection
from derhead.httpserver.protocols.hypercorn_config import ServerConfig
from derhead.httpserver.request_counts import RequestCounts
from derhead.httpserver.shields import Shields
from derhead.httpserver.stream_addresses import addresses_of
from derproto.metrics.histogram import HistogramCounts
from derproto.stdio.log_events import event_log

log = event_log(__name__)

Listener = trio.abc.Listener[trio.abc.Stream]


@dataclass(frozen=True, slots=True)
class HttpStatistics:
    """Counters of connections since the start, and figures of now."""

    open: int
    accepted: int
    refused: int
    """Connections closed at once: no place was left, or none for their address."""
    failed: int
    """Connections ended by an exception: malformed requests that Hypercorn does not expect."""
    handshakes_failed: int
    """Connections whose TLS handshake failed or took too long, or whose client spoke cleartext."""
    slow_heads: int
    """Connections closed because a request's header did not end in time."""
    slow_bodies: int
    """Requests whose body did not end in time."""
    floods: int
    """HTTP/2 connections closed because their clients made too much work."""
    send_timeouts: int
    """Connections closed because the client did not read its answer in time."""
    given_up: int
    """Connections closed because the server held too much for clients that did not read."""
    held_bytes: int
    """Bytes of request bodies and answers in memory now."""
    requests_refused: int
    """Requests that the server answered itself, since they broke HTTP."""
    answers: Mapping[str, int]
    """Answers by the class of their status."""
    answer_s: Mapping[str, HistogramCounts]
    """Seconds from a request's header to the end of its answer, by lane."""


class HttpServer:
    """Serves one app; see ``serve_http``."""

    def __init__(self, app: HttpApp, limits: HttpLimits) -> None:
        app.take_limits(limits)
        self._app = app
        self._limits = limits
        self._config = ServerConfig(
            app.problem_text, control_frames=limits.h2_control_frames, resets=limits.h2_resets
        )
        self._config.errorlog = logging.getLogger(__name__)
        self._context = WorkerContext(None)
        self._shields = Shields()
        self._places = Places(limits.max_connections, limits.address_share)
        self._held = HeldAnswers(limits.held_bytes)
        self._open: set[HttpConnection] = set()
        self._accepted = self._refused = self._failed = 0
        self._full = False
        self.requests = RequestCounts()
        self.send_timeouts = 0
        self.handshakes_failed = self.slow_heads = self.slow_bodies = 0

    def statistics(self) -> HttpStatistics:
        return HttpStatistics(
            open=len(self._open),
            accepted=self._accepted,
            refused=self._refused,
            failed=self._failed,
            handshakes_failed=self.handshakes_failed,
            slow_heads=self.slow_heads,
            slow_bodies=self.slow_bodies,
            floods=self._config.floods,
            send_timeouts=self.send_timeouts,
            given_up=self._held.given_up,
            held_bytes=self._held.held,
            requests_refused=self._config.refused,
            answers=self.requests.by_status(),
            answer_s=self.requests.durations(),
        )

    async def serve(
        self,
        listeners: Sequence[Listener],
        *,
        stopping: trio.Event,
        task_status: trio.TaskStatus["HttpServer"],
    ) -> None:
        """See ``serve_http``."""
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    await accepting.start(
                        partial(
                            trio.serve_listeners,
                            self._serve_connection,
                            list(listeners),
                            handler_nursery=connections,
                        )
                    )
                    task_status.started(self)
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
                await self._context.terminated.set()
                for connection in self._open:
                    connection.finish()
            finally:
                connections.cancel_scope.deadline = trio.current_time() + self._limits.grace_s
                self._shields.cut_after(self._limits.grace_s)

    async def _serve_connection(self, stream: trio.abc.Stream) -> None:
        addresses = addresses_of(stream)
        host = None if addresses[0] is None else addresses[0][0]
        if not self._places.take(host):
            self._refuse(host)
            await trio.aclose_forcefully(stream)
            return
        self._full = False
        self._accepted += 1
        connection = HttpConnection(
            self._app,
            stream,
            addresses,
            lane=self._app.lane,
            config=self._config,
            context=self._context,
            limits=self._limits,
            shields=self._shields,
            held=self._held,
            counts=self,
        )
        self._open.add(connection)
        try:
            await connection.run()
        except* Exception as group:  # noqa: BLE001 - the border: no request ends the process
            self._failed += 1
            log.warning("HTTP connection was dropped", reason=_first(group))
        finally:
            self._open.discard(connection)
            self._places.leave(host)

    def _refuse(self, host: str | None) -> None:
        self._refused += 1
        if not self._full:
            log.warning("HTTP connection refused: too many are open", peer=host)
        self._full = True


async def serve_http(
    app: HttpApp,
    listeners: Sequence[Listener],
    *,
    limits: HttpLimits | None = None,
    stopping: trio.Event | None = None,
    task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves the app over HTTP/1.1 and HTTP/2 until ``stopping`` is set.

    Streams of TLS may come with their handshake before them.

    No request ends the server: an exception of a connection is counted and logged, and ends that
    connection only. ``task_status`` gets the ``HttpServer``, for its ``statistics()``.

    Resource handling: closes the listeners and every stream that they gave. The app's lifespan
    does not run: the daemon owns what the app needs.
    When stopping: the server accepts no more connections, closes idle ones, and gives open
    requests ``grace_s``. Cancellation: open requests are cancelled, and answers under way get
    ``grace_s``. Either way the server ends within that time.
    """
    await HttpServer(app, limits or HttpLimits()).serve(
        listeners,
        stopping=trio.Event() if stopping is None else stopping,
        task_status=task_status,
    )


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """The first error of nested groups, in one line."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)
