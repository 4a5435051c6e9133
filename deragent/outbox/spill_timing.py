"""When rows go to the outbox's file, and when they stay in memory again. Pure.

Rows stay in memory while acknowledgements come. Once the oldest has waited for
``SPILL_AFTER_S``, all rows go to the file. From then on each row goes to the file after waiting
for ``SPILL_SOON_S``. This ends once acknowledgements have come in time for ``CALM_AFTER_S``.

Times are monotonic seconds.
"""

import math
from collections import deque

SPILL_AFTER_S = 9.0
"""How long a row waits for its acknowledgement before rows go to the file, seconds. With
WORK_PAUSE_S and the write itself, a kill loses at most the last 10 s."""
SPILL_SOON_S = 1.0
"""How long a row waits for its acknowledgement while rows go to the file, seconds."""
CALM_AFTER_S = 10.0
"""How long acknowledgements must come in time before rows stay in memory again, seconds."""
WORK_PAUSE_S = 1.0
"""Least time between two writes of the file, seconds, unless memory is half full."""
MARK_S = 1.0
"""Time between two marks, seconds."""


class SpillTiming:
    """Decides whether rows go to the file, by when they are acknowledged."""

    def __init__(self) -> None:
        self.spilling = False
        """Whether rows go to the file as they come."""
        self._marks: deque[tuple[int, float]] = deque()
        """One mark a second: (seq of the first row, time). Reaches back SPILL_AFTER_S."""
        self._in_time_s: tuple[float, float] | None = None
        """When acknowledgements began to come in time, and when the last one came."""

    def begin_session(self) -> None:
        """Forgets when acknowledgements came: an earlier session says nothing about this one."""
        self._in_time_s = None

    def note_row(self, seq: int, now_s: float) -> None:
        """A row was measured."""
        if not self._marks or now_s >= self._marks[-1][1] + MARK_S:
            self._marks.append((seq, now_s))
        while self._marks[0][1] < now_s - SPILL_AFTER_S:
            self._marks.popleft()

    def note_acked(self, seq: int, now_s: float) -> None:
        """Rows up to ``seq`` were acknowledged."""
        for first, taken_s in self._marks:
            if taken_s >= now_s - SPILL_AFTER_S:
                if seq >= first:
                    since_s = now_s if self._in_time_s is None else self._in_time_s[0]
                    self._in_time_s = (since_s, now_s)
                return

    def row_due_s(self, taken_s: float) -> float:
        """When a row taken at ``taken_s`` goes to the file."""
        return taken_s + (SPILL_SOON_S if self.spilling else SPILL_AFTER_S)

    def calm_due_s(self) -> float:
        """When rows may stay in memory again; infinite without a time in sight."""
        if not self.spilling or self._in_time_s is None:
            return math.inf
        return self._in_time_s[0] + CALM_AFTER_S

    def turn(self, oldest_s: float | None, now_s: float) -> bool:
        """Begins or ends spilling; returns whether all rows go to the file now.

        ``oldest_s`` is when the oldest row in memory was taken; None without rows.
        """
        if oldest_s is None or now_s < oldest_s + SPILL_AFTER_S:
            self._calm_down(now_s)
            return False
        if self.spilling:
            return False
        self.spilling, self._in_time_s = True, None
        return True

    def _calm_down(self, now_s: float) -> None:
        if self._in_time_s is None or now_s < self.calm_due_s():
            return
        if now_s <= self._in_time_s[1] + CALM_AFTER_S + WORK_PAUSE_S:
            self.spilling = False
        self._in_time_s = None
