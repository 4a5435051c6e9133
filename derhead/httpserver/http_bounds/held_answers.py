"""How many bytes of bodies and answers the server holds, and which connection gives way. Pure."""

from collections.abc import Callable


class HeldAnswers:
    """Counts the bytes that all connections hold together.

    When full: the connection whose client has read nothing for longest is given up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shares: set[AnswerShare] = set()
        self.held = 0
        self.given_up = 0

    def share(self, give_up: Callable[[], object]) -> "AnswerShare":
        """A share for a new connection; ``give_up`` closes that connection."""
        return AnswerShare(self, give_up)

    def grow(self, share: "AnswerShare", count: int) -> None:
        """Counts more bytes of a share, and gives up connections while there are too many."""
        self._shares.add(share)
        self.held += count
        while self.held > self._most:
            slowest = min(self._shares, key=lambda each: each.taken_at)
            self.given_up += 1
            slowest.leave()
            slowest.give_up()

    def shrink(self, share: "AnswerShare", count: int) -> None:
        """Counts fewer bytes of a share."""
        self.held -= count
        if not share.held:
            self._shares.discard(share)


class AnswerShare:
    """Counts the bytes that one connection holds."""

    def __init__(self, store: HeldAnswers, give_up: Callable[[], object]) -> None:
        self._store = store
        self._gone = False
        self.give_up = give_up
        self.held = 0
        self.taken_at = 0.0
        """When its client last read something, or had nothing to read."""

    def hold(self, count: int, now: float) -> None:
        """Counts ``count`` more bytes in memory."""
        if self._gone or not count:
            return
        if not self.held:
            self.taken_at = now
        self.held += count
        self._store.grow(self, count)

    def release(self, count: int, now: float) -> None:
        """Subtracts ``count`` bytes that the client has read, or that are no longer needed."""
        if self._gone or not count:
            return
        self.held -= count
        self.taken_at = now
        self._store.shrink(self, count)

    def leave(self) -> None:
        """Ends the share: bytes of its connection no longer count."""
        count, self.held, self._gone = self.held, 0, True
        self._store.shrink(self, count)
