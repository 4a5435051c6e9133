"""Questions to a headend's REST API, over Trio.

h11 speaks HTTP, as it does for the server; a connection is for one question. That is all that
these commands need of a client, and keeps a headend's environment free of another one.
"""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import trio

from derhead.client.address import Address
from derhead.client.eventstream import EventParser, StreamEvent

CONNECT_S = 5.0
"""For a connection, and as much again for its TLS."""

ANSWER_S = 20.0
"""For a whole answer: longer than the headend takes for any of these."""

SILENCE_S = 25.0
"""Without a byte of an event stream, of which there are some every 10 s: it is lost."""

RECEIVE_BYTES = 64 * 1024

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Bytes of one answer that a command reads. When full, the command gives up with exit code 3."""


class Unreachable(Exception):
    """No headend answers there, or it cannot now."""


class Refused(Exception):
    """The headend refused it, and said why, in one line or several."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    """Of JSON."""


class HttpClient:
    """Asks one headend."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def get(self, *path: str, **query: str) -> Any:
        """What is at that path. Raises: Unreachable, Refused."""
        return take(await self.ask("GET", path, query=query)).body

    async def ask(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One question, and whatever the answer is. Raises: Unreachable."""
        content = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        fields = {"Accept": "application/json", **(headers or {})}
        if content:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        target = self._address.target(path, tuple((query or {}).items()))
        text = b""
        async with self._open(method, target, fields, content) as (head, body_pieces):
            with self._patience(ANSWER_S):
                while piece := await body_pieces.next():
                    text += piece
                    if len(text) > MAX_ANSWER_BYTES:
                        raise Unreachable(f"{self._address.url} answers without end")
        try:
            return Answer(head.status_code, json.loads(text))
        except ValueError:
            raise Unreachable(f"{self._address.url} is no headend: it answers no JSON") from None

    @asynccontextmanager
    async def listen(
        self, query: Mapping[str, str], last_id: str | None
    ) -> AsyncIterator["Listening"]:
        """The events from after that one on. Raises: Unreachable, Refused."""
        fields = {"Accept": "text/event-stream"}
        if last_id is not None:
            fields["Last-Event-ID"] = last_id
        target = self._address.target(("events",), tuple(query.items()))
        async with self._open("GET", target, fields, b"") as (head, pieces):
            if head.status_code != 200:
                text = b""
                with self._patience(ANSWER_S):
                    while piece := await pieces.next():
                        text += piece
                take(Answer(head.status_code, _read_json(text)))
            yield Listening(self, pieces, last_id)

    @asynccontextmanager
    async def _open(
        self, method: str, target: str, fields: Mapping[str, str], content: bytes
    ) -> AsyncIterator[tuple[h11.Response, "_Pieces"]]:
        """Asks, and has the answer's head; its body follows."""
        with self._patience(CONNECT_S):
            stream = await self._connect()
        async with stream:
            if isinstance(stream, trio.SSLStream):
                with self._patience(CONNECT_S):
                    await stream.do_handshake()
            speaking = h11.Connection(h11.CLIENT)
            headers = {"Host": self._address.authority, "Connection": "close", **fields}
            request = h11.Request(method=method, target=target, headers=list(headers.items()))
            events: list[h11.Event] = [request, h11.EndOfMessage()]
            if content:
                events.insert(1, h11.Data(data=content))
            with self._patience(ANSWER_S):
                await stream.send_all(b"".join(speaking.send(event) or b"" for event in events))
                pieces = _Pieces(stream, speaking)
                head = await pieces.head()
            yield head, pieces

    async def _connect(self) -> trio.abc.Stream:
        stream: trio.abc.Stream = await trio.open_tcp_stream(self._address.host, self._address.port)
        if self._address.tls:
            context = ssl.create_default_context()
            stream = trio.SSLStream(
                stream, context, server_hostname=self._address.host, https_compatible=True
            )
        return stream

    def _patience(self, seconds: float) -> "_Patience":
        return _Patience(self._address.url, seconds)


class Listening:
    """An open event stream."""

    def __init__(self, client: HttpClient, pieces: "_Pieces", last_id: str | None) -> None:
        self._client = client
        self._pieces = pieces
        self._parser = EventParser()
        self._parser.last_id = last_id
        self._events: list[StreamEvent] = []

    @property
    def last_id(self) -> str | None:
        return self._parser.last_id

    async def next(self) -> StreamEvent:
        """The next event. Raises: Unreachable when the stream has ended."""
        while not self._events:
            with self._client._patience(SILENCE_S):
                data = await self._pieces.next()
            if not data:
                raise Unreachable("the headend ended the stream")
            self._events = self._parser.feed(data)
        return self._events.pop(0)


class _Patience:
    """Turns what may go wrong with a connection within some time into ``Unreachable``."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._scope = trio.move_on_after(seconds)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool | None:
        swallowed = self._scope.__exit__(kind, error, trace)
        if self._scope.cancelled_caught:
            raise Unreachable(f"{self._url} did not answer within {self._seconds:g} s")
        if isinstance(error, OSError | trio.BrokenResourceError | h11.RemoteProtocolError):
            raise Unreachable(f"{self._url} cannot be asked: {_why(error)}") from error
        return swallowed


class _Pieces:
    """An answer as it comes."""

    def __init__(self, stream: trio.abc.Stream, speaking: h11.Connection) -> None:
        self._stream = stream
        self._speaking = speaking

    async def head(self) -> h11.Response:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event

    async def next(self) -> bytes:
        """Some bytes of its body; none at its end."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return b""

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._speaking.next_event()
            if isinstance(event, h11.Event):
                return event
            self._speaking.receive_data(bytes(await self._stream.receive_some(RECEIVE_BYTES)))


def take(answer: Answer) -> Answer:
    """The answer, if it is no problem. Raises: Unreachable, Refused."""
    if answer.status < 300:
        return answer
    if answer.status >= 500:
        raise Unreachable(f"the headend cannot answer now: {_explain(answer)}")
    raise Refused(_explain(answer))


def _explain(answer: Answer) -> str:
    """A problem in words."""
    body = answer.body if isinstance(answer.body, dict) else {}
    lines = [str(body.get("detail", f"status {answer.status}"))]
    lines += [f"  {each['pointer']}: {each['detail']}" for each in body.get("errors", ())]
    return "\n".join(lines)


def _read_json(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _why(error: BaseException) -> str:
    """An error's words; of several tries' errors, the first one's."""
    while isinstance(error.__cause__, BaseException) and not isinstance(
        error, h11.RemoteProtocolError
    ):
        error = error.__cause__
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
