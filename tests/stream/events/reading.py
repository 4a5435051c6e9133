"""A reader of ``/events`` over a connection."""

import trio

from tests.stream.http.support import receive
from tests.support.api.event_text import ReceivedEvent, parse_event


class Reader:
    """Reads an answer's chunks, over a stream that carries nothing else."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.head = b""
        self.last_id: int | None = None
        self.ended = False
        """The answer ended by HTTP's rules, not only by the connection's end."""
        self._raw = b""
        self._text = b""

    async def ask(
        self, query: str = "", last_id: int | None = None, token: str | None = None
    ) -> int:
        """Sends the request; the answer's status."""
        field = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        field += "" if token is None else f"Authorization: Bearer {token}\r\n"
        request = f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n"
        await self.stream.send_all(request.encode())
        while b"\r\n\r\n" not in self._raw:
            piece = await receive(self.stream)
            assert piece, "the server closed the connection"
            self._raw += piece
        self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        return int(self.head.split()[1])

    async def next_if_any(self) -> ReceivedEvent | None:
        """The next event; None when the stream ends."""
        while True:
            while b"\n\n" in self._text:
                block, _, self._text = self._text.partition(b"\n\n")
                event = parse_event(block.decode())
                if event is not None:
                    self.last_id = event.id if event.id is not None else self.last_id
                    return event
            if not await self._read_chunk():
                return None

    async def next(self, *kinds: str) -> ReceivedEvent:
        """The next event of one of these kinds, or of any."""
        while (event := await self.next_if_any()) is not None:
            if not kinds or event.kind in kinds:
                return event
        raise EOFError

    async def _read_chunk(self) -> bool:
        while True:
            size, found, rest = self._raw.partition(b"\r\n")
            if found and len(rest) >= int(size, 16) + 2:
                length = int(size, 16)
                self._text += rest[:length]
                self._raw = rest[length + 2 :]
                self.ended = length == 0
                return not self.ended
            piece = await receive(self.stream)
            if not piece:
                return False
            self._raw += piece
