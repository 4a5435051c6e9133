"""Sending on one connection: in order, piece by piece, each within its time."""

from collections.abc import Callable

import trio

SEND_BYTES = 64 * 1024
"""Piece of an answer that a client has its time for."""


class StreamSender:
    """Sends bytes on a stream.

    ``wait_s`` is the time for a piece; a client that takes longer has stalled. ``lost`` is
    called when the stream breaks, ``stalled`` when the time is over, ``progressed`` after each
    piece.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        wait_s: float,
        *,
        progressed: Callable[[], object],
        stalled: Callable[[], object],
        lost: Callable[[], object],
    ) -> None:
        self.wait_s = wait_s
        self._stream = stream
        self._progressed = progressed
        self._stalled = stalled
        self._lost = lost
        self._lock = trio.Lock()
        self._unsent = bytearray()
        self._given = self._sent = 0
        self._something = trio.Event()
        self._waiting = trio.lowlevel.ParkingLot()

    async def send(self, data: bytes) -> None:
        """Sends the bytes. Cancellation: the stream is left with a part of them."""
        async with self._lock:
            for start in range(0, len(data), SEND_BYTES):
                try:
                    with trio.move_on_after(self.wait_s) as patience:
                        await self._stream.send_all(data[start : start + SEND_BYTES])
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._lost()
                    return
                if patience.cancelled_caught:
                    self._stalled()
                    return
                self._progressed()

    async def hand_over(self, data: bytes) -> None:
        """Has ``run`` send the bytes, and waits until it has.

        Cancellation: they are sent all the same. What several requests share must not lose a
        frame of one that is given up: the others' headers are compressed against it.
        """
        self._unsent += data
        self._given += len(data)
        mine = self._given
        self._something.set()
        while self._sent < mine:
            await self._waiting.park()

    async def run(self) -> None:
        """Sends what is handed over, until cancelled."""
        while True:
            await self._something.wait()
            self._something = trio.Event()
            data = bytes(self._unsent)
            self._unsent.clear()
            await self.send(data)
            self._sent += len(data)
            self._waiting.unpark_all()
