"""How much waits in the spool, counted as rows are added and dropped. Pure."""

from dataclasses import dataclass

from derhead.history.spool.unfed import SpoolSize


@dataclass(slots=True)
class Backlog:
    """Waiting rows: what was measured at the start, and every change since.

    ``added_rows`` is always the spool's own count since the journal was opened.
    """

    oldest_us: int | None = None
    """When the oldest waiting commit was made; None = nothing waits."""
    _at_start: int = 0
    _dropped: int = 0
    _seen: int = 0
    _newest_id: int = 0

    def begin(self, size: SpoolSize, added_rows: int) -> None:
        """Starts from a measurement that was made after ``added_rows`` rows had been added."""
        self._at_start = size.rows - added_rows
        self._newest_id, self.oldest_us = size.newest_id, size.oldest_us

    def rows(self, added_rows: int) -> int:
        return self._at_start + added_rows - self._dropped

    def newest_id(self, newest_id: int) -> int:
        """The greatest id that the spool ever used; ``newest_id`` is the greatest since the journal
        was opened."""
        return max(self._newest_id, newest_id)

    def look(self, added_rows: int) -> None:
        """Notes that a turn of the feed begins."""
        self._seen = added_rows

    def found(self, committed_us: int) -> None:
        """Notes that the oldest waiting commit was read."""
        self.oldest_us = (
            committed_us if self.oldest_us is None else min(self.oldest_us, committed_us)
        )

    def drop(self, rows: int, oldest_us: int | None) -> None:
        """Notes that so many rows were fed. ``oldest_us``: of the commits that still wait."""
        self._dropped += rows
        self.oldest_us = oldest_us

    def empty(self) -> None:
        """Notes that all that waited when the turn began is fed."""
        self.oldest_us = None
        self._at_start = self._dropped - self._seen
