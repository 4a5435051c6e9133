"""How much waits in the spool, counted as rows are added and dropped."""

import sqlite3

from derhead.history.spool import unfed
from derhead.history.spool.unfed import Spooling


class Backlog:
    """Waiting rows: what was measured at the start, and every change since."""

    def __init__(self, spooling: Spooling) -> None:
        self.oldest_us: int | None = None
        """When the oldest waiting commit was made; None = nothing waits."""
        self._spooling = spooling
        self._at_start = self._dropped = self._seen = self._newest_id = 0

    def measure(self, con: sqlite3.Connection) -> None:
        """Measures what waits.

        ``con`` is the writer's: a commit in between would be counted twice.
        """
        size = unfed.measure(con)
        self._at_start = size.rows - self._spooling.added_rows
        self._newest_id, self.oldest_us = size.newest_id, size.oldest_us

    @property
    def rows(self) -> int:
        return self._at_start + self._spooling.added_rows - self._dropped

    @property
    def newest_id(self) -> int:
        """The greatest id that the spool ever used."""
        return max(self._newest_id, self._spooling.newest_id)

    def look(self) -> None:
        """Notes that a turn of the feed begins."""
        self._seen = self._spooling.added_rows

    def found(self, committed_us: int) -> None:
        """Notes that the oldest waiting commit was read."""
        if self.oldest_us is None or committed_us < self.oldest_us:
            self.oldest_us = committed_us

    def drop(self, rows: int, oldest_us: int | None) -> None:
        """Notes that so many rows were fed. ``oldest_us``: of the commits that still wait."""
        self._dropped += rows
        self.oldest_us = oldest_us

    def empty(self) -> None:
        """Notes that all that waited when the turn began is fed."""
        self.oldest_us = None
        self._at_start = self._dropped - self._seen
