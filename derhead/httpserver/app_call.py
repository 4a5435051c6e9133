"""One request to the app: its messages in both directions, bounded and ended in order."""

from collections.abc import Iterable
from typing import Any, Protocol

import trio
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER
from hypercorn.typing import ASGIFramework

from derhead.httpserver.http_app import AnswerCut
from derhead.httpserver.http_bounds.held_answers import AnswerShare
from derhead.httpserver.http_bounds.http_limits import HttpLimits
from derhead.httpserver.sender import SEND_BYTES
from derhead.httpserver.shields import Shields

ROOM_BYTES = 1024 * 1024
"""Bytes that the open requests of one HTTP/2 connection hold, before another may begin. When full,
the next request waits."""

RESERVED_BYTES = 128 * 1024
"""Bytes that count for a request from its beginning, until its answer turns out longer."""


class AnswerRoom:
    """Holds back requests of one HTTP/2 connection while others hold much memory."""

    def __init__(self) -> None:
        self._taken = 0
        self._waiting = trio.lowlevel.ParkingLot()

    async def enter(self) -> None:
        """Waits until one more request may begin."""
        while self._taken + RESERVED_BYTES > ROOM_BYTES:
            await self._waiting.park()

    def change(self, count: int) -> None:
        """Adds ``count`` bytes to those that the requests hold; a negative count subtracts."""
        self._taken += count
        if count < 0:
            self._waiting.unpark_all()


class Carrier(Protocol):
    """The part of its connection that a call uses."""

    limits: HttpLimits
    shields: Shields
    share: AnswerShare
    room: AnswerRoom
    ending: set[trio.CancelScope]
    """Shields around the ends of answers; closing the connection cancels them."""

    @property
    def is_multiplexed(self) -> bool:
        """Whether several requests share the connection."""

    @property
    def is_closing(self) -> bool:
        """Whether the connection is already ending."""

    def note_answer(self, status: int, took_s: float | None) -> None:
        """Counts an answer; ``took_s`` is None for an event stream."""

    def begin_stream(self) -> None:
        """Notes that the answer is an event stream."""

    def note_progress(self) -> None:
        """Notes that the client has read a piece of an answer."""

    def give_up_sending(self) -> None:
        """Counts a client that does not read its answer, and closes the connection."""

    def cut_off(self) -> None:
        """Closes the connection so that the client notices an incomplete answer."""


class AppCall:
    """One request, from its header to the end of its answer."""

    def __init__(self, carrier: Carrier, receive: Any, send: Any) -> None:
        self._carrier = carrier
        self._receive = receive
        self._send = send
        self._multiplexed = carrier.is_multiplexed
        self._begun = self._ended = self._streams = False
        self._began_s, self._status = trio.current_time(), 0
        self._held = self._buffered = self._weight = 0
        self._reserved = RESERVED_BYTES if self._multiplexed else 0

    async def run(self, app: ASGIFramework, scope: Any) -> None:
        """Has the app answer the request."""
        try:
            if self._multiplexed:
                await self._carrier.room.enter()
                self._weigh()
            await app(scope, self._take, self._give)
        except* AnswerCut:
            pass
        finally:
            self._reserved = 0
            self._release(self._held)
            if self._status:
                took_s = None if self._streams else trio.current_time() - self._began_s
                self._carrier.note_answer(self._status, took_s)
            if self._begun and not self._ended and scope["type"] == "http":
                self._carrier.cut_off()

    # --- messages of the app ------------------------------------------------------------

    async def _take(self) -> Any:
        message = await self._receive()
        # The answer to a client that is gone needs no end.
        self._ended = self._ended or message["type"] == "http.disconnect"
        self._hold(len(message.get("body", b"")))
        return message

    async def _give(self, message: Any) -> None:
        # Sending to a client that is gone only buffers, without a checkpoint.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._begun = True
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if _is_event_stream(message["headers"]):
                self._streams, self._reserved = True, 0
                self._weigh()
                self._carrier.begin_stream()
        if message["type"] != "http.response.body":
            await self._send(message)
        elif message.get("more_body", False):
            await self._give_piece(message)
        else:
            await self._give_end(message)

    async def _give_piece(self, message: Any) -> None:
        count = len(message["body"])
        self._hold(count)
        try:
            if self._multiplexed:
                await self._send_windowed(message)
            else:
                await self._send(message)
        finally:
            # Hypercorn's buffer keeps ``more`` bytes, at most until the call ends.
            more = min(count, BUFFER_HIGH_WATER - self._buffered) if self._multiplexed else 0
            self._buffered += more
            self._release(count - more)

    async def _send_windowed(self, message: Any) -> None:
        """Sends a part of an HTTP/2 answer within its client's window, for a bounded time.

        The connection's own send timeout does not see a closed window: no byte is under way.
        """
        carrier, body = self._carrier, message["body"]
        wait_s = carrier.limits.stream_s if self._streams else carrier.limits.response_s
        for start in range(0, len(body), SEND_BYTES):
            with trio.move_on_after(wait_s) as patience:
                await self._send({**message, "body": body[start : start + SEND_BYTES]})
            if patience.cancelled_caught:
                carrier.give_up_sending()
                return
            carrier.note_progress()

    async def _give_end(self, message: Any) -> None:
        self._ended = True
        carrier = self._carrier
        # At the last message Hypercorn tells the app that the client is gone, and prepares the
        # connection for the next request. quart-trio then cancels this very task. Without a
        # shield, the preparation would stop half way and the connection would wait for ever.
        with carrier.shields.open(carrier.limits.send_s) as shield:
            carrier.ending.add(shield)
            try:
                await self._send(message)
            finally:
                carrier.ending.discard(shield)
        if shield.cancelled_caught and not carrier.is_closing:
            carrier.give_up_sending()

    # --- memory -------------------------------------------------------------------------

    def _hold(self, count: int) -> None:
        self._held += count
        self._weigh()
        self._carrier.share.hold(count, trio.current_time())

    def _release(self, count: int) -> None:
        self._held -= count
        self._weigh()
        self._carrier.share.release(count, trio.current_time())

    def _weigh(self) -> None:
        weight = max(self._reserved, self._held) if self._multiplexed else 0
        if weight != self._weight:
            self._carrier.room.change(weight - self._weight)
            self._weight = weight


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )
