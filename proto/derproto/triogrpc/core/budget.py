"""A budget for frames that only make work: pure."""


class Budget:
    """At most ``limit`` events in each window of ``window_s`` seconds, by a given clock.

    Windows follow each other; the first begins with the first event. Around the end of a window,
    twice the limit may pass. That still stops a flood, and costs one comparison.
    """

    __slots__ = ("_limit", "_since", "_spent", "_window_s")

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._since = float("-inf")
        self._spent = 0

    def spend(self, now: float) -> bool:
        """Counts one event; False if that was too many."""
        if now - self._since >= self._window_s:
            self._since = now
            self._spent = 0
        self._spent += 1
        return self._spent <= self._limit
