"""How full the fullest queue of all sessions is, without a look at each session: pure."""


class QueueDepths:
    """How many sessions have how many setpoints and cancels queued; ``most`` fit in a queue."""

    def __init__(self, most: int) -> None:
        self._sessions = [0] * (most + 1)

    def move(self, before: int, after: int) -> None:
        """Notes that the queue of a session had ``before`` and has ``after``; 0 is an empty one."""
        self._sessions[before] -= 1
        self._sessions[after] += 1

    @property
    def worst(self) -> int:
        """The depth of the fullest queue."""
        depths = range(len(self._sessions) - 1, 0, -1)
        return next((depth for depth in depths if self._sessions[depth]), 0)
