"""How much backfill is on its way at once: pure.

One message of backfill at a time waits for its acknowledgement. It grows while acknowledgements
come soon, and shrinks when they are late, as TCP's congestion window does. A slow link therefore
carries little backfill at once, and live samples never wait long behind it.
"""

from dataclasses import dataclass

FIRST_ROWS = 50
"""Rows of a session's first message of backfill: some 2 kB."""

LEAST_ROWS = 10

SOON_S, LATE_S = 1.0, 4.0
"""An acknowledgement within ``SOON_S`` doubles the next message, one after ``LATE_S`` halves it. A
commit of the headend takes a tenth of a second."""

GIVE_UP_S = 20.0
"""Time for an acknowledgement; without it the next message goes nevertheless."""


@dataclass(slots=True)
class BackfillPace:
    """The size of the next message of backfill."""

    most_rows: int
    rows: int = FIRST_ROWS

    def __post_init__(self) -> None:
        self.rows = min(self.rows, self.most_rows)

    def note(self, took_s: float) -> None:
        """Notes how long an acknowledgement took, seconds."""
        if took_s <= SOON_S:
            self.rows = min(self.most_rows, self.rows * 2)
        elif took_s > LATE_S:
            self.rows = min(self.most_rows, max(LEAST_ROWS, self.rows // 2))
