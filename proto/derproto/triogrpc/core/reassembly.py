"""A bound on the unfinished messages of a whole server: pure."""

from typing import Protocol


class Reassembling(Protocol):
    """A call that gathers the pieces of a message."""

    @property
    def admitted(self) -> bool:
        """Whether the service has admitted the call."""

    def give_up(self) -> None:
        """Drops what it has gathered, and ends the call."""


class ReassemblyPool:
    """Counts the bytes of unfinished messages of all connections.

    When full: the call that has gathered for longest is ended, calls that are not admitted first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._newcomers: dict[Reassembling, int] = {}
        self._admitted: dict[Reassembling, int] = {}
        self.held_bytes = 0

    def hold(self, call: Reassembling, size: int) -> None:
        """Notes that ``call`` holds ``size`` bytes; may call ``give_up`` of it or of others."""
        calls = self._admitted if call.admitted else self._newcomers
        self.held_bytes += size - calls.get(call, 0)
        # A call keeps its place, so the first call has gathered for longest.
        calls[call] = size
        while self.held_bytes > self._max_bytes:
            oldest = next(iter(self._newcomers or self._admitted))
            self.release(oldest)
            oldest.give_up()

    def release(self, call: Reassembling) -> None:
        """Notes that ``call`` holds no bytes; harmless if it held none."""
        self.held_bytes -= self._newcomers.pop(call, 0) + self._admitted.pop(call, 0)
