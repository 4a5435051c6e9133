"""Sending on one connection: in order, piece by piece, each within its time."""

from collections.abc import Callable

import trio

SEND_BYTES = 64 * 1024
"""Bytes of a piece: the client has ``wait_s`` to read it."""


class StreamSender:
    """Sends bytes on a stream.

    ``wait_s`` is the time for a piece. ``progressed`` is called after each piece, ``stalled`` when
    a piece takes longer, ``lost`` when the stream breaks.
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
        """Sends the bytes. Cancellation: a part of them may have been sent."""
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
        """Waits until ``run`` has sent the bytes.

        Cancellation: ``run`` sends the bytes all the same. HTTP/2 compresses each header against
        the ones before: without the frames of a cancelled request, the client could not read
        later headers.
        """
        self._unsent += data
        self._given += len(data)
        mine = self._given
        self._something.set()
        while self._sent < mine:
            await self._waiting.park()

    async def run(self) -> None:
        """Sends the bytes from ``hand_over``, until cancelled."""
        while True:
            await self._something.wait()
            self._something = trio.Event()
            data = bytes(self._unsent)
            self._unsent.clear()
            await self.send(data)
            self._sent += len(data)
            self._waiting.unpark_all()
