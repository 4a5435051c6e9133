"""What all unfinished messages of one server may weigh together: pure."""

from typing import Protocol


class Reassembling(Protocol):
    """A call that gathers the pieces of a message."""

    @property
    def admitted(self) -> bool:
        """Whether the service has admitted the call."""

    def give_up(self) -> None:
        """Drops what it has gathered, and ends the call."""


class ReassemblyPool:
    """Bytes of unfinished messages, of all connections that share it.

    When full: the call that has gathered for longest is ended, one that is not admitted before any
    that is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._newcomers: dict[Reassembling, int] = {}
        self._admitted: dict[Reassembling, int] = {}
        self.held_bytes = 0

    def hold(self, call: Reassembling, size: int) -> None:
        """``call`` holds ``size`` bytes now; it may be given up within this call."""
        calls = self._admitted if call.admitted else self._newcomers
        self.held_bytes += size - calls.get(call, 0)
        # A call keeps its place: the one that began first is the first.
        calls[call] = size
        while self.held_bytes > self._max_bytes:
            oldest = next(iter(self._newcomers or self._admitted))
            self.release(oldest)
            oldest.give_up()

    def release(self, call: Reassembling) -> None:
        """``call`` holds nothing any more; harmless if it held nothing."""
        self.held_bytes -= self._newcomers.pop(call, 0) + self._admitted.pop(call, 0)
