"""How fast a backlog is fed, and when new rows go first. Pure: time is passed in."""

from dataclasses import dataclass

CATCH_UP_ROWS = 50_000
"""Rows of backlog in the spool that are fed in order, within a second or two. When full, new rows
go first and the backlog follows at ``postgres.catch_up_rows_s``."""


@dataclass(slots=True)
class Pace:
    """At most ``rows_s`` rows a second, in batches, over any period."""

    rows_s: float
    _free_at_s: float = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """How long the next batch must wait; 0 = it may go."""
        return max(0.0, self._free_at_s - now_s)

    def spent(self, rows: int, now_s: float) -> None:
        """Notes that a batch of so many rows went."""
        self._free_at_s = max(self._free_at_s, now_s) + rows / self.rows_s


@dataclass(slots=True)
class Course:
    """Whether the spool is fed in order, or from both ends.

    From both ends: commits above ``live_after`` are fed as they come, and the backlog in order, at
    the pace. Changes whose order matters wait with the backlog for their turn.
    """

    backlog_before: int | None = None
    """Ids below it are the backlog; None = everything is fed in order."""
    live_after: int = 0
    """Ids up to it have been fed, except changes whose order matters."""

    @property
    def in_order(self) -> bool:
        return self.backlog_before is None

    def look(self, waiting_rows: int, newest_id: int) -> None:
        """Starts to catch up if much waits; ``newest_id`` is the last waiting commit."""
        if self.in_order and waiting_rows > CATCH_UP_ROWS:
            self.backlog_before, self.live_after = newest_id + 1, newest_id

    def caught_up(self) -> None:
        """Notes that the backlog is fed: from now on everything goes in order."""
        self.backlog_before = None
