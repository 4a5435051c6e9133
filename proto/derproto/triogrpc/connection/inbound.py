"""The receiving half of one stream: bytes in, messages out.

The one place where messages are cut out of the bytes of a stream.
"""

from collections.abc import Awaitable, Callable

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.reassembly import ReassemblyPool
from derproto.triogrpc.core.waits import Flag

PREFIX_BYTES = 5
"""Before each body: a flag of one byte (compressed), and the body's length in four."""

UNCOUNTED_BYTES = 16 * 1024
"""Bytes of an unfinished message that are not worth counting: a frame."""

MESSAGES_PER_TURN = 64
"""Messages delivered of what one read brought, before other connections have their turn:
one that floods waits for the handler's task, and its sender for the window."""


class Turn:
    """How many messages may still be delivered of what a connection's last read brought.

    ``further`` is shared by all connections: those with more than that queue for it, and one
    of them goes on in each turn of the loop. Fifty that flood would else fill each turn.
    """

    __slots__ = ("_further", "left")

    def __init__(self, further: trio.Lock) -> None:
        self._further = further
        self.left = MESSAGES_PER_TURN

    def begin(self) -> None:
        """Another read."""
        self.left = MESSAGES_PER_TURN

    async def begin_further(self) -> None:
        """Another turn without a read, when it is this connection's. A checkpoint."""
        async with self._further:
            # Whoever is next is woken now, and runs when others had their turn.
            self.left = MESSAGES_PER_TURN


Deferred = Callable[[], Awaitable[None]]
"""The rest of taking a message, when it cannot be done in place."""

OnMessage = Callable[[bytes], Deferred | None]
"""Takes a body; what it returns is called and awaited before the next body is delivered."""


class Inbound:
    """What a stream received and its reader has not taken yet.

    In the place of grpclib's ``Buffer``, which hands out bytes. The peer's window is
    opened as messages are taken, or for the rest of a message that somebody waits for;
    so one that nobody takes is bounded by the window, and one that is waited for by
    ``max_message_bytes``.
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
        """Takes in a DATA frame; ``ack_size`` is what it used of the window."""
        self._unacked += ack_size
        if self._fault is not None:
            # The call ends: nobody takes what still comes.
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
        """Nothing more will come; what came whole can still be taken."""
        self._failure = failure
        self._changed.set()

    def admit(self, max_message_bytes: int) -> None:
        """The service knows its peer: the bound of a message is now this one."""
        self.admitted = True
        self._max_message_bytes = max_message_bytes

    def give_up(self) -> None:
        """The pool has no room for what is gathered here: the reader is told so."""
        self._bytes.clear()
        self._counted = False
        self._fault = GRPCError(
            Status.RESOURCE_EXHAUSTED, "the server holds too many unfinished messages"
        )
        self._on_message = None
        self._changed.set()

    def unacked_size(self) -> int:
        """Bytes of the window still held, given up for ever: the stream is over."""
        self._bytes.clear()
        self._count_unfinished()
        held, self._unacked = self._unacked, 0
        return held

    async def receive(self) -> bytes | None:
        """The next message's body, None when the peer has ended its half.

        Cancellation: loses nothing. Without a checkpoint if a message is there.
        Raises: GRPCError for what is no message (see ``_cut``), the failure given to
        ``fail`` after the last whole message, ``trio.BusyResourceError`` for a second
        task that receives.
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

        In the connection's reading task, as the bytes come: no task wakes for a message.
        The handler's task, in here, wakes for what cannot be done in place: what
        ``on_message`` returns to be called and awaited, the rest of a turn of
        MESSAGES_PER_TURN, and the end. Until then bytes wait, bounded by the window.

        Cancellation: messages not delivered yet are kept.
        Raises: as ``receive``, and what ``on_message`` or its rest raises.
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
                    # Others first: this connection has had its turn.
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
        """Delivers a frame that is one message, as most are; False if it is not."""
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
            self._fault = error
        if self._pending is not None or self._fault is not None:
            self._on_message = None
            self._changed.set()
        self._open_window(0)
        return True

    def _deliver_turn(self, on_message: OnMessage) -> bool:
        """Delivers what is whole; True if the handler's task must go on with it."""
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
                # The turn is over; it may be that nothing is left.
                end = self._end_of_message(at)
        except Exception as error:  # noqa: BLE001 - the handler's, raised in its own task
            self._fault = error
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

    def _cut(self) -> bytes | None:
        """A whole message's body off the front of the bytes, if there is one."""
        end = self._end_of_message(0)
        if not end:
            return None
        body = bytes(memoryview(self._bytes)[PREFIX_BYTES:end])
        del self._bytes[:end]
        return body

    def _end_of_message(self, start: int) -> int:
        """Where the message that begins at ``start`` ends; 0 if it is not whole.

        Raises: GRPCError for what is no message.
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
        """What is here is part of one message: the pool is told, which may give it up."""
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
        """Gives back the window of all but ``keep`` bytes; h2 tells the peer of many together."""
        size = self._unacked - keep
        if size > 0:
            self._unacked -= size
            self._ack(size)
