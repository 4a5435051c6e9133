"""An HTTP/2 client that sends what a test wants, and reads no more than it wants."""

import contextlib

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.settings import SettingCodes

from tests.stream.http.support import receive

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION, UNKNOWN = 1, 4, 6, 8, 9, 0x42
PIECE_BYTES = 64 * 1024


def frame(kind: int, payload: bytes = b"", stream: int = 0, flags: int = 0) -> bytes:
    """The bytes of one frame."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


class Http2Client:
    """One connection. ``window`` is what each answer may send before the client opens it."""

    def __init__(self, stream: trio.abc.Stream, *, window: int = 65_535) -> None:
        self.stream = stream
        self._sending = trio.Lock()
        self.h2 = H2Connection(H2Configuration(header_encoding=None))
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})

    async def flush(self, more: bytes = b"") -> None:
        """Sends what is ready; a server that has closed the connection is no error."""
        async with self._sending:
            with contextlib.suppress(trio.BrokenResourceError):
                data = self.h2.data_to_send() + more
                # In pieces: under TLS the whole would be encrypted in one step of the loop.
                for start in range(0, len(data), PIECE_BYTES):
                    await self.stream.send_all(data[start : start + PIECE_BYTES])

    async def get(self, path: str, authority: str = "x") -> int:
        """Asks, and reads nothing."""
        number: int = self.h2.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", authority)]
        self.h2.send_headers(number, [*fields, (":path", path)], end_stream=True)
        await self.flush()
        return number

    async def read(self) -> list[Event]:
        """What the server sent; an empty list if it closed the connection."""
        data = await receive(self.stream)
        events = self.h2.receive_data(data) if data else []
        await self.flush()
        return list(events) or ([] if not data else [Event()])

    async def read_to_end(self) -> list[Event]:
        """All that the server sends until it closes the connection."""
        events: list[Event] = []
        while some := await self.read():
            events += some
        return events


def is_calmed(events: list[Event]) -> bool:
    """Whether the server said that the client does too much."""
    return any(
        isinstance(event, ConnectionTerminated) and event.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        for event in events
    )
