"""A reader of ``/events``: takes bytes apart into events."""

import json
from dataclasses import dataclass
from typing import Any

import trio

from tests.openapi import hold_event
from tests.stream.http.support import receive


@dataclass(frozen=True)
class Told:
    """One event."""

    kind: str
    data: Any
    id: int | None = None

    def hold(self) -> None:
        """Fails unless it is as the API's description says."""
        hold_event(self.kind, self.data)


def parse(text: str) -> Told | None:
    """One block between empty lines; None if it is no event."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _colon, value = line.partition(":")
        if name:
            assert name not in fields
            fields[name] = value.removeprefix(" ")
    assert set(fields) <= {"id", "event", "data", "retry"}
    if "data" not in fields:
        return None
    number = fields.get("id")
    return Told(
        fields["event"], json.loads(fields["data"]), None if number is None else int(number)
    )


class Reader:
    """Reads an answer's chunks, over a stream that carries nothing else."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.head = b""
        self.last_id: int | None = None
        self.ended = False
        """The answer ended as HTTP says, not by the connection's end alone."""
        self._raw = b""
        self._text = b""

    async def ask(self, query: str = "", last_id: int | None = None) -> int:
        """Sends the request; the answer's status."""
        field = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        request = f"GET /events{query} HTTP/1.1\r\nHost: x\r\n{field}\r\n"
        await self.stream.send_all(request.encode())
        while b"\r\n\r\n" not in self._raw:
            piece = await receive(self.stream)
            assert piece, "the server closed the connection"
            self._raw += piece
        self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        return int(self.head.split()[1])

    async def next_if_any(self) -> Told | None:
        """The next event; None when the stream ends."""
        while True:
            while b"\n\n" in self._text:
                block, _, self._text = self._text.partition(b"\n\n")
                told = parse(block.decode())
                if told is not None:
                    self.last_id = told.id if told.id is not None else self.last_id
                    return told
            if not await self._read_chunk():
                return None

    async def next(self, *kinds: str) -> Told:
        """The next event of one of these kinds, or of any."""
        while (told := await self.next_if_any()) is not None:
            if not kinds or told.kind in kinds:
                return told
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
