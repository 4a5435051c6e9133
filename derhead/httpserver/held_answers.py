"""How much of bodies and answers the server holds for clients that do not take them. Pure."""

from collections.abc import Callable


class HeldAnswers:
    """What is held for all connections together, in bytes.

    When full: the connection whose client has taken nothing for longest is given up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shares: set[AnswerShare] = set()
        self.held = 0
        self.given_up = 0

    def share(self, give_up: Callable[[], object]) -> "AnswerShare":
        """The share of one more connection, which ``give_up`` closes."""
        return AnswerShare(self, give_up)

    def grow(self, share: "AnswerShare", count: int) -> None:
        """Counts bytes of a share, and gives up others while there are too many."""
        self._shares.add(share)
        self.held += count
        while self.held > self._most:
            slowest = min(self._shares, key=lambda each: each.taken_at)
            self.given_up += 1
            slowest.leave()
            slowest.give_up()

    def shrink(self, share: "AnswerShare", count: int) -> None:
        """A share has so many bytes less."""
        self.held -= count
        if not share.held:
            self._shares.discard(share)


class AnswerShare:
    """What is held for one connection, in bytes."""

    def __init__(self, store: HeldAnswers, give_up: Callable[[], object]) -> None:
        self._store = store
        self._gone = False
        self.give_up = give_up
        self.held = 0
        self.taken_at = 0.0
        """When its client last took something, or had nothing to take."""

    def hold(self, count: int, now: float) -> None:
        """So many bytes more wait."""
        if self._gone or not count:
            return
        if not self.held:
            self.taken_at = now
        self.held += count
        self._store.grow(self, count)

    def release(self, count: int, now: float) -> None:
        """So many bytes do not wait any more."""
        if self._gone or not count:
            return
        self.held -= count
        self.taken_at = now
        self._store.shrink(self, count)

    def leave(self) -> None:
        """Counts nothing more: the connection ends."""
        count, self.held, self._gone = self.held, 0, True
        self._store.shrink(self, count)
