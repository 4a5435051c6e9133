"""Loop lag: how late the event loop wakes a task whose time has come.

A late loop delays everything alike: setpoints, acknowledgements, answers. The lag is the drift of a
sleep, so that any cause counts: a long turn of a task, a busy machine, a machine that slept.
"""

import trio

from derproto.metrics.histogram import QUICK_S, Histogram, HistogramCounts

PULSE_S = 0.25
"""Seconds of the sleep whose drift is measured. It is short enough to catch most stalls, and four
wakes a second cost nothing."""

REMEMBERED_S = 60.0
"""Seconds for which the worst lag is remembered, at most twice as long."""


class LoopLag:
    """The lags of a loop since the start, and the worst of the last minute or two."""

    def __init__(self) -> None:
        self._lags = Histogram(QUICK_S)
        self._since_s = float("-inf")
        self._worst_s = self._worst_before_s = 0.0

    def note(self, late_s: float, now_s: float) -> None:
        """Notes one lag. ``now_s`` is the loop's time."""
        self._turn(now_s)
        self._lags.take(late_s)
        self._worst_s = max(self._worst_s, late_s)

    def worst_s(self, now_s: float) -> float:
        """The worst lag of the last one to two minutes."""
        self._turn(now_s)
        return max(self._worst_s, self._worst_before_s)

    def counts(self) -> HistogramCounts:
        """All lags since the start, in seconds."""
        return self._lags.counts()

    def _turn(self, now_s: float) -> None:
        past_s = now_s - self._since_s
        if past_s < REMEMBERED_S:
            return
        self._worst_before_s = self._worst_s if past_s < 2 * REMEMBERED_S else 0.0
        self._worst_s = 0.0
        self._since_s = now_s

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            due_s = trio.current_time() + PULSE_S
            await trio.sleep_until(due_s)
            now_s = trio.current_time()
            self.note(now_s - due_s, now_s)
