"""How much waits in the spool, counted as it is added and dropped. Pure."""

from dataclasses import dataclass

from derhead.history.spool.unfed import SpoolSize


@dataclass(slots=True)
class Backlog:
    """Rows that wait, by what was measured at the start and what changed since.

    ``added_rows`` is always the spool's own count since the journal was opened.
    """

    oldest_us: int | None = None
    """When the oldest of them was committed; None = nothing waits."""
    _at_start: int = 0
    _dropped: int = 0
    _seen: int = 0
    _newest_id: int = 0

    def begin(self, size: SpoolSize, added_rows: int) -> None:
        """Starts from what was measured when so many rows had been added."""
        self._at_start = size.rows - added_rows
        self._newest_id, self.oldest_us = size.newest_id, size.oldest_us

    def rows(self, added_rows: int) -> int:
        return self._at_start + added_rows - self._dropped

    def newest_id(self, newest_id: int) -> int:
        """The greatest id that the spool ever gave out; ``newest_id``: since it was opened."""
        return max(self._newest_id, newest_id)

    def look(self, added_rows: int) -> None:
        """A turn of the feed begins."""
        self._seen = added_rows

    def found(self, committed_us: int) -> None:
        """The oldest commit that waits was read."""
        self.oldest_us = (
            committed_us if self.oldest_us is None else min(self.oldest_us, committed_us)
        )

    def drop(self, rows: int, oldest_us: int | None) -> None:
        """So many rows were fed; ``oldest_us``: of those that still wait."""
        self._dropped += rows
        self.oldest_us = oldest_us

    def empty(self) -> None:
        """Nothing of what was there when the turn began is left."""
        self.oldest_us = None
        self._at_start = self._dropped - self._seen
