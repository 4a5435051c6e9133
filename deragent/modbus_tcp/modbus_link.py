"""A connection to a device or a gateway, with one request at a time on its way."""

import logging
from collections.abc import Awaitable, Callable

import trio

from deragent.modbus_tcp.exchange import (
    MOST_STRANGE,
    BrokenLinkError,
    Frame,
    FrameBuffer,
    ModbusError,
    NewConnectionError,
    NotReachedError,
    Question,
    ReadRegisters,
    RegisterKind,
    TryAgainError,
    WriteRegisters,
    answer_of,
    frame_of,
)

FIRST_PAUSE_S = 0.5
"""Pause after the first failed attempt to connect, seconds; it doubles with each."""
LONGEST_PAUSE_S = 30.0
BUSY_PAUSE_S = 0.2
"""Pause before a busy device is asked again, within the request's time."""
RECEIVED_AT_ONCE = 4096

# pymodbus logs every frame that it cannot read; here that is an error, which its caller logs.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

Dial = Callable[[], Awaitable[trio.abc.Stream]]
"""Opens a connection. Raises: OSError, or what the stream's TLS raises."""


class ModbusLink:
    """Dials when it is first needed. Those who wait are served in the order in which they came."""

    def __init__(self, name: str, dial: Dial) -> None:
        self.name = name
        """The address, for people."""
        self.connections = 0
        """Connections so far. A device that is asked on a new one may be another device."""
        self._dial = dial
        self._turn = trio.Lock()
        self._stream: trio.abc.Stream | None = None
        self._heard = FrameBuffer()
        self._transaction = 0
        self._awaited: tuple[int, float] | None = None
        """Transaction of the request that is on its way, and until when its answer may come."""
        self._pause_s = FIRST_PAUSE_S
        self._dials_at_s = float("-inf")

    async def read(
        self,
        unit: int,
        address: int,
        count: int,
        within_s: float,
        *,
        kind: RegisterKind = RegisterKind.HOLDING,
        connection: int | None = None,
    ) -> bytes:
        """Reads registers.

        ``connection`` is the number of the one on which to read; None = any.

        Units: big-endian bytes. Raises: ModbusError; NewConnectionError, if that one is over.
        Cancellation: at any time; the next request waits until the answer has come or is overdue.
        """
        return await self._ask(ReadRegisters(address, count, kind), unit, within_s, connection)

    async def write(
        self, unit: int, address: int, data: bytes, within_s: float, *, connection: int
    ) -> None:
        """Writes holding registers.

        Raises and cancellation: as for ``read``; they may be written.
        """
        await self._ask(WriteRegisters(address, data), unit, within_s, connection)

    async def aclose(self) -> None:
        """Closes the connection; the next request opens another one."""
        stream, self._stream = self._stream, None
        self._heard, self._awaited = FrameBuffer(), None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _ask(
        self, question: Question, unit: int, within_s: float, connection: int | None = None
    ) -> bytes:
        async with self._turn:
            # The time counts from one's own turn: a slow neighbour is no fault of the device.
            try:
                with trio.fail_after(within_s):
                    while True:
                        try:
                            return await self._exchange(question, unit, within_s, connection)
                        except TryAgainError:
                            await trio.sleep(BUSY_PAUSE_S)
            except trio.TooSlowError:
                await self.aclose()
                text = f"{self.name}: unit {unit} does not answer {question} in {within_s:g} s"
                raise ModbusError(text) from None

    async def _exchange(
        self, question: Question, unit: int, within_s: float, connection: int | None
    ) -> bytes:
        try:
            stream = await self._idle()
            if connection not in (None, self.connections):
                raise NewConnectionError(f"{self.name}: the connection is new")
            transaction = self._transaction = self._transaction % 0xFFFF + 1
            await self._send(stream, frame_of(question, unit, transaction))
            self._awaited = transaction, trio.current_time() + within_s
            return answer_of(question, unit, await self._answer(stream, transaction))
        except BrokenLinkError as broken:
            await self.aclose()
            raise ModbusError(f"{self.name}: {broken}") from broken
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            await self.aclose()
            why = broken.__cause__ or broken
            raise ModbusError(f"{self.name}: the connection broke: {why!r}") from broken

    async def _idle(self) -> trio.abc.Stream:
        """A connection on which no request is on its way."""
        stream = await self._connected()
        if self._awaited is not None:
            transaction, until_s = self._awaited
            with trio.move_on_at(until_s):
                await self._answer(stream, transaction)
            if self._awaited is not None:
                await self.aclose()
                stream = await self._connected()
        return stream

    async def _send(self, stream: trio.abc.Stream, frame: bytes) -> None:
        whole = False
        try:
            await stream.send_all(frame)
            whole = True
        finally:
            if not whole:
                # The device takes what comes next for the rest of this request.
                await self.aclose()

    async def _answer(self, stream: trio.abc.Stream, transaction: int) -> Frame:
        """The answer to the request that is on its way. Answers to earlier ones are skipped."""
        strange = 0
        while True:
            frame = self._heard.take()
            if frame is None:
                data = await stream.receive_some(RECEIVED_AT_ONCE)
                if not data:
                    raise BrokenLinkError("closes the connection")
                self._heard.feed(bytes(data))
            elif frame.transaction == transaction:
                self._awaited = None
                return frame
            else:
                strange += 1
                if strange > MOST_STRANGE:
                    raise BrokenLinkError("answers requests that nobody made")

    async def _connected(self) -> trio.abc.Stream:
        if self._stream is not None:
            return self._stream
        left_s = self._dials_at_s - trio.current_time()
        if left_s > 0:
            text = f"{self.name} is not reached; the next attempt is in {left_s:.1f} s"
            raise NotReachedError(text)
        reached = False
        try:
            self._stream = await self._dial()
            reached = True
        except (OSError, trio.BrokenResourceError) as failure:
            raise NotReachedError(f"{self.name} is not reached: {failure}") from failure
        finally:
            # An attempt that is cancelled has failed, too.
            pause_s = 0.0 if reached else self._pause_s
            self._dials_at_s = trio.current_time() + pause_s
            self._pause_s = FIRST_PAUSE_S if reached else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self.connections += 1
        return self._stream
