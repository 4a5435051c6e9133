"""A port for Prometheus alone: ``GET /metrics`` over HTTP/1.1, one request a connection.

It is for a daemon that has no other HTTP. h11 parses. Every connection has a bound on its time and
size. Within that size, h11's expressions, quadratic in a run of blanks, take at most 12 ms. A
request must name loopback as its host. That keeps out web pages that reach loopback under a name of
their own (DNS rebinding).
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus

import h11
import trio

from derproto.metrics.exposition import Metrics
from derproto.stdio.log_events import event_log

log = event_log(__name__)

REQUEST_BYTES = 2 * 1024
"""Bytes of a request's header; Prometheus sends 300. When full, the answer is 431."""

REQUEST_S = 5.0
"""Time of a connection, from its begin to its end. When over, it is closed."""

SCRAPERS = 8
"""Connections at a time. When full, a new one waits until another has ended."""

HEAD_END = b"\r\n\r\n"

HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts that a request may name."""

Answer = tuple[HTTPStatus, str, bytes]


async def open_metrics_port(port: int) -> Sequence[trio.SocketListener]:
    """Listeners on loopback. Raises: OSError that names the port."""
    try:
        return await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(
            error.errno, f"metrics_port {port}: {why}; stop what listens there, or give another"
        ) from error


async def serve_metrics(
    metrics: Metrics,
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    *,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answers until cancelled. No request ends it: an error of a connection is logged.

    Resource handling: closes the listeners, and every stream that they gave.
    """
    places = trio.Semaphore(SCRAPERS)
    async with trio.open_nursery() as serving:
        task_status.started()
        for listener in listeners:
            serving.start_soon(_accept, listener, partial(_serve, metrics), places, serving)


async def _accept(
    listener: trio.abc.Listener[trio.abc.Stream],
    serve: Callable[[trio.abc.Stream], Awaitable[None]],
    places: trio.Semaphore,
    serving: trio.Nursery,
) -> None:
    async def serve_one(stream: trio.abc.Stream) -> None:
        try:
            await serve(stream)
        except Exception:  # the border: no scrape ends the daemon
            log.exception("scrape failed")
        finally:
            places.release()

    async with listener:
        while True:
            await places.acquire()
            try:
                stream = await listener.accept()
            except OSError as error:
                places.release()
                log.warning("scrape cannot be accepted", reason=error)
                await trio.sleep(1)
            except trio.Cancelled:
                places.release()
                raise
            else:
                serving.start_soon(serve_one, stream)


async def _serve(metrics: Metrics, stream: trio.abc.Stream) -> None:
    connection = h11.Connection(h11.SERVER)
    with trio.move_on_after(REQUEST_S):
        async with stream:
            try:
                connection.receive_data(await _receive_head(stream))
                answer = _answer(connection.next_event(), metrics)
            except h11.RemoteProtocolError as error:
                status = HTTPStatus(error.error_status_hint)
                answer = status, "text/plain", f"{error}\n".encode("ascii", "replace")
            except trio.BrokenResourceError:
                return
            try:
                await stream.send_all(_written(connection, *answer))
            except trio.BrokenResourceError:
                log.debug("scrape went away")


async def _receive_head(stream: trio.abc.Stream) -> bytes:
    """The header of a request. Bytes after it are never read.

    Raises: h11.RemoteProtocolError if it is too long, or has no end.
    """
    head = b""
    while HEAD_END not in head:
        if len(head) >= REQUEST_BYTES:
            raise h11.RemoteProtocolError("the header is too long", error_status_hint=431)
        piece = await stream.receive_some(REQUEST_BYTES - len(head))
        if not piece:
            raise h11.RemoteProtocolError("the request has no end")
        head += piece
    return head


def _answer(request: object, metrics: Metrics) -> Answer:
    if not isinstance(request, h11.Request):
        raise h11.RemoteProtocolError("there is no request")
    fields = dict(request.headers)
    host = fields.get(b"host", b"localhost").decode("latin-1").lower()
    if host not in HOSTS and host.rpartition(":")[0] not in HOSTS:
        return _refused(HTTPStatus.FORBIDDEN, f"{host} is no name of loopback; ask localhost")
    if request.target.partition(b"?")[0] != b"/metrics":
        return _refused(HTTPStatus.NOT_FOUND, "this port has only /metrics")
    if request.method != b"GET":
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is possible here")
    body, content_type = metrics.render(fields.get(b"accept", b"").decode("latin-1"))
    return HTTPStatus.OK, content_type, body


def _refused(status: HTTPStatus, detail: str) -> Answer:
    return status, "text/plain", f"{detail}\n".encode("latin-1")


def _written(
    connection: h11.Connection, status: HTTPStatus, content_type: str, body: bytes
) -> bytes:
    headers = [
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    events: list[h11.Event] = [
        h11.Response(status_code=status, reason=status.phrase, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ]
    return b"".join(connection.send(event) or b"" for event in events)
