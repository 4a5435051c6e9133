"""The receiving half of one stream: bytes in, messages out.

Messages are cut out of a stream's bytes here and nowhere else.
"""

from collections.abc import Awaitable, Callable

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.reassembly import ReassemblyPool
from derproto.triogrpc.core.waits import Flag

PREFIX_BYTES = 5
"""The prefix of each body: a flag of one byte (compressed), and the body's length in four."""

UNCOUNTED_BYTES = 16 * 1024
"""Bytes of an unfinished message that the pool does not count: one frame."""

MESSAGES_PER_TURN = 64
"""Messages of one read to deliver before other connections have their turn. A flooding connection
then waits for its handler's task, and its peer for the window."""


class Turn:
    """The number of messages of a connection's last read that may still be delivered.

    A connection with more messages queues for ``further``, which all connections share. In each
    turn of the loop, one of them continues. Otherwise fifty flooding connections would fill every
    turn.
    """

    __slots__ = ("_further", "left")

    def __init__(self, further: trio.Lock) -> None:
        self._further = further
        self.left = MESSAGES_PER_TURN

    def begin(self) -> None:
        """Starts the turn of another read."""
        self.left = MESSAGES_PER_TURN

    async def begin_further(self) -> None:
        """Waits for another turn without a read. A checkpoint."""
        async with self._further:
            # The next in the queue wakes now, and runs after the other tasks of this turn.
            self.left = MESSAGES_PER_TURN


Deferred = Callable[[], Awaitable[None]]
"""The rest of taking a message, when it cannot be done in place."""

OnMessage = Callable[[bytes], Deferred | None]
"""Takes a body. If it returns a function, that is awaited before the next body is delivered."""


class Inbound:
    """Received bytes that the reader of a stream has not taken yet.

    It replaces grpclib's ``Buffer``, which hands out bytes. The peer's window opens when the reader
    takes a message, and for the rest of a message that the reader waits for. So the window bounds
    a message without a waiting reader. With a waiting reader, ``max_message_bytes`` and the pool
    bound it.
    """

    def __init__(
        self,
        ack: Callable[[int], None],
        turn: Turn,
        pool: ReassemblyPool,
        *,
        limits: LinkLimits,
        malformed: Status,
    ) -> None:
        self._ack = ack
        self._turn = turn
        self._pool = pool
        newcomers = limits.newcomers
        self.admitted = newcomers is None
        self._max_message_bytes = (newcomers or limits).max_message_bytes
        self._malformed = malformed
        self._bytes = bytearray()
        self._counted = False
        self._unacked = 0
        self._eof = False
        self._failure: Exception | None = None
        self._changed = Flag()
        self._receiving = False
        self._on_message: OnMessage | None = None
        self._pending: Deferred | None = None
        self._fault: Exception | None = None

    def add(self, data: bytes, ack_size: int) -> None:
        """Takes in a DATA frame that used ``ack_size`` bytes of the window."""
        self._unacked += ack_size
        if self._fault is not None:
            # The call ends: no reader takes further bytes.
            return
        on_message = self._on_message
        if on_message is None:
            self._bytes += data
            self._changed.set()
        elif self._bytes or not self._deliver_whole(data, on_message):
            self._bytes += data
            self._deliver_turn(on_message)

    def eof(self) -> None:
        """The peer has ended its half."""
        self._eof = True
        self._changed.set()

    def fail(self, failure: Exception) -> None:
        """Ends the stream with a failure; whole messages can still be taken."""
        self._failure = failure
        self._changed.set()

    def admit(self, max_message_bytes: int) -> None:
        """Sets the call's final bound of a message, once the service has admitted it."""
        self.admitted = True
        self._max_message_bytes = max_message_bytes

    def give_up(self) -> None:
        """The pool has no room for these bytes: drops them, and fails the reader."""
        self._bytes.clear()
        self._counted = False
        self._fault = GRPCError(
            Status.RESOURCE_EXHAUSTED, "the server holds too many unfinished messages"
        )
        self._on_message = None
        self._changed.set()

    def unacked_size(self) -> int:
        """Drops everything, as the stream is over; returns the bytes of the window still held."""
        self._bytes.clear()
        self._count_unfinished()
        held, self._unacked = self._unacked, 0
        return held

    async def receive(self) -> bytes | None:
        """The next message's body, None when the peer has ended its half.

        Cancellation: loses nothing. No checkpoint if a message is there.
        Raises: GRPCError for bytes that are no message (see ``_cut``); the failure given to
        ``fail``, after the last whole message; ``trio.BusyResourceError`` for a second task that
        receives.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving on this call")
        self._receiving = True
        try:
            while True:
                body = self._cut()
                if body is not None:
                    if self._counted:
                        self._stop_counting()
                    self._open_window(len(self._bytes))
                    return body
                self._count_unfinished()
                if self._fault is not None:
                    raise self._fault
                if self._eof:
                    if self._bytes:
                        raise GRPCError(self._malformed, "stream ended inside a message")
                    return None
                if self._failure is not None:
                    raise self._failure
                self._open_window(0)
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._receiving = False

    async def deliver(self, on_message: OnMessage) -> None:
        """Hands each message to ``on_message``, until the peer has ended its half.

        ``on_message`` is called in the connection's reading task as bytes arrive, so no task wakes
        for a message. The handler's task waits in this method. It wakes to await a function that
        ``on_message`` returned, for messages beyond MESSAGES_PER_TURN, and for the end. Until then
        bytes wait, bounded by the window.

        Cancellation: keeps messages that were not delivered.
        Raises: as ``receive``, and what ``on_message`` and its rest raise.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving on this call")
        self._receiving = True
        try:
            while True:
                if self._pending is not None:
                    pending, self._pending = self._pending, None
                    await pending()
                if self._fault is not None:
                    raise self._fault
                if self._deliver_turn(on_message):
                    # This connection has had its turn.
                    await self._turn.begin_further()
                    continue
                if self._fault is not None:
                    raise self._fault
                if self._eof:
                    if self._bytes:
                        raise GRPCError(self._malformed, "stream ended inside a message")
                    return
                if self._failure is not None:
                    raise self._failure
                self._changed.clear()
                self._on_message = on_message
                await self._changed.wait()
                self._on_message = None
        finally:
            self._on_message = None
            self._receiving = False

    def _deliver_whole(self, data: bytes, on_message: OnMessage) -> bool:
        """Delivers a frame that is exactly one message, as most are; False if it is not."""
        size = len(data)
        if (
            size < PREFIX_BYTES
            or data[0]
            or int.from_bytes(data[1:PREFIX_BYTES], "big") != size - PREFIX_BYTES
            or size - PREFIX_BYTES > self._max_message_bytes
            or self._turn.left <= 0
        ):
            return False
        self._turn.left -= 1
        try:
            self._pending = on_message(data[PREFIX_BYTES:])
        except Exception as error:  # noqa: BLE001 - the handler's, raised in its own task
            self._note_fault(error)
        if self._pending is not None or self._fault is not None:
            self._on_message = None
            self._changed.set()
        self._open_window(0)
        return True

    def _deliver_turn(self, on_message: OnMessage) -> bool:
        """Delivers whole messages; True if the handler's task must continue."""
        data = self._bytes
        at = end = 0
        try:
            while self._turn.left > 0:
                end = self._end_of_message(at)
                if not end:
                    break
                self._turn.left -= 1
                self._pending = on_message(bytes(data[at + PREFIX_BYTES : end]))
                at = end
                if self._pending is not None:
                    break
            else:
                # The turn is over; perhaps no message is left.
                end = self._end_of_message(at)
        except Exception as error:  # noqa: BLE001 - the handler's, raised in its own task
            self._note_fault(error)
        del data[:at]
        if not end and self._pending is None and self._fault is None:
            self._count_unfinished()
            self._open_window(0)
            return False
        if self._counted:
            self._stop_counting()
        self._open_window(len(data))
        self._on_message = None
        self._changed.set()
        return True

    def _note_fault(self, error: Exception) -> None:
        """Ends the call by an error that its own task raises."""
        # The traceback of a bug is for the log. That of a bad message would keep it in memory.
        self._fault = error.with_traceback(None) if isinstance(error, GRPCError) else error
        self._bytes.clear()

    def _cut(self) -> bytes | None:
        """The body of the first message, removed from the bytes, if it is whole."""
        end = self._end_of_message(0)
        if not end:
            return None
        body = bytes(memoryview(self._bytes)[PREFIX_BYTES:end])
        del self._bytes[:end]
        return body

    def _end_of_message(self, start: int) -> int:
        """Where the message that begins at ``start`` ends; 0 if it is not whole.

        Raises: GRPCError for bytes that are no message.
        """
        data = self._bytes
        have = len(data) - start
        if have < PREFIX_BYTES:
            return 0
        if data[start] == 1:
            raise GRPCError(Status.UNIMPLEMENTED, "compressed messages are not supported")
        if data[start] != 0:
            raise GRPCError(self._malformed, f"invalid message flag {data[start]:#04x}")
        size = int.from_bytes(data[start + 1 : start + PREFIX_BYTES], "big")
        if size > self._max_message_bytes:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"message of {size} bytes is larger than {self._max_message_bytes}",
            )
        return start + PREFIX_BYTES + size if have >= PREFIX_BYTES + size else 0

    def _count_unfinished(self) -> None:
        """Tells the pool how much of one message is here; the pool may give it up."""
        size = len(self._bytes)
        if size > UNCOUNTED_BYTES:
            self._counted = True
            self._pool.hold(self, size)
        elif self._counted:
            self._stop_counting()

    def _stop_counting(self) -> None:
        self._counted = False
        self._pool.release(self)

    def _open_window(self, keep: int) -> None:
        """Gives back all but ``keep`` bytes of the window; h2 announces many of them together."""
        size = self._unacked - keep
        if size > 0:
            self._unacked -= size
            self._ack(size)
