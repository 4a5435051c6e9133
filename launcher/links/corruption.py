"""Which bytes of a link arrive changed: pure."""

import random


class Corruption:
    """Changes one bit in a byte here and there, on average one byte in ``every_bytes``."""

    def __init__(self, every_bytes: int, rng: random.Random) -> None:
        self._every_bytes = every_bytes
        self._rng = rng
        self._next = self._distance()
        """Bytes that pass before the next one that is changed."""

    def apply(self, data: bytes | bytearray) -> bytes:
        """The bytes as they arrive, as many as were sent."""
        arrived = bytearray(data)
        while self._next < len(arrived):
            arrived[self._next] ^= 1 << int(self._rng.random() * 8)
            self._next += 1 + self._distance()
        self._next -= len(arrived)
        return bytes(arrived)

    def _distance(self) -> int:
        return int(self._rng.random() * (2 * self._every_bytes - 1))
