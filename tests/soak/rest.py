"""REST over a connection in memory, as a plain client uses it."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import trio

from derproto.triogrpc.testing import MemoryNetwork

REST = "rest"
"""The name under which the headend's REST listens."""

ANSWER_S = 20.0
"""How long a client waits for an answer."""


class NoAnswer(Exception):
    """The headend is away, or the answer was cut off."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    """JSON, or None."""


@dataclass
class Reply:
    """An answer whose body comes in pieces."""

    status: int
    _link: h11.Connection
    _stream: trio.abc.Stream

    async def piece(self) -> bytes:
        """The next piece; empty at the end. Raises: NoAnswer."""
        event = await _next_event(self._link, self._stream)
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return b""
        raise NoAnswer("the answer was cut off")


@dataclass
class RestClient:
    """Asks the headend with a token."""

    network: MemoryNetwork
    token: str

    async def ask(
        self, method: str, target: str, body: object = None, *, key: str | None = None
    ) -> Answer:
        """One request on a connection of its own. Raises: NoAnswer."""
        with trio.move_on_after(ANSWER_S):
            async with self.open(method, target, body, key=key) as reply:
                text = b""
                while piece := await reply.piece():
                    text += piece
            return Answer(reply.status, json.loads(text) if text[:1] in (b"{", b"[") else None)
        raise NoAnswer("not in time")

    @asynccontextmanager
    async def open(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        key: str | None = None,
        more: Iterable[tuple[str, str]] = (),
    ) -> AsyncIterator["Reply"]:
        """An answer as it comes, to a request with ``more`` headers. Raises: NoAnswer."""
        headers = [("Host", "localhost"), ("Authorization", f"Bearer {self.token}"), *more]
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        if key is not None:
            headers.append(("Idempotency-Key", key))
        link = h11.Connection(h11.CLIENT)
        try:
            stream = await self.network.connect(REST)
            async with stream:
                head = link.send(h11.Request(method=method, target=target, headers=headers))
                assert head is not None
                await stream.send_all(head + (link.send(h11.Data(data)) or b""))
                link.send(h11.EndOfMessage())
                response = await _next_event(link, stream)
                if not isinstance(response, h11.Response):
                    raise NoAnswer("no answer")
                yield Reply(response.status_code, link, stream)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise NoAnswer(str(error)) from None
        except h11.RemoteProtocolError as error:
            raise NoAnswer(str(error)) from None


async def _next_event(link: h11.Connection, stream: trio.abc.Stream) -> object:
    while True:
        event = link.next_event()
        if event is not h11.NEED_DATA:
            return event
        link.receive_data(bytes(await stream.receive_some()))
