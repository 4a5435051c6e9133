"""Requests of the outbox to its file, their results, and the limits of both. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deragent.outbox.gap_book import DeliveredRows, MissingRows, Unsaved
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.seq_spans import SeqSpan

MEMORY_ROWS = 10_000
"""Rows in memory that nobody has acknowledged (configurable), 4 MB. When full, the oldest is
forced out, counted and reported as a gap; with a data folder, half as many go to the file at
once."""
FILE_ROWS = 1_000_000
"""Rows in the file that nobody has acknowledged (configurable). When full, the oldest are forced
out, counted and reported as gaps; Register, Heartbeat and an event say so."""
FILE_MB = 256
"""Size of the file in units of 10^6 bytes (configurable); its WAL takes a few more. When full, as
for ``FILE_ROWS``."""
ROW_BYTES = 96
"""Greatest size of a row in the file."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How many samples may wait for their acknowledgement."""

    memory_rows: int = MEMORY_ROWS
    file_rows: int = FILE_ROWS
    file_mb: int = FILE_MB

    def excess(self, rows: int, size: int, adding: int) -> int:
        """How many rows a file of ``size`` bytes must drop to add ``adding`` rows."""
        room = min(self.file_rows, max(1, self.file_mb * 1_000_000 // ROW_BYTES))
        over = size - self.file_mb * 1_000_000
        too_big = math.ceil(rows * over / size) + adding if over > 0 else 0
        return max(0, rows + adding - room, too_big)


@dataclass(frozen=True, slots=True)
class FileState:
    """The contents of the file."""

    rows: int
    oldest_ts_us: int
    """Time of the first row, in the order of boots and sequence numbers; 0 without rows."""
    newest_ts_us: int


@dataclass(frozen=True, slots=True)
class FileLookup:
    """A query: the oldest rows of a range in the file, at most ``most``."""

    boot_id: int
    first: int
    last: int
    most: int


@dataclass(frozen=True, slots=True)
class FileWork:
    """Changes of the file, made in this order in one transaction."""

    acked: tuple[SeqSpan, ...]
    """Rows to remove."""
    refused: tuple[SeqSpan, ...]
    """Rows to remove and to report as missing."""
    rows: Sequence[OutboxRow]
    """Rows of this boot to add. Then the file drops as many of its oldest rows as the limits
    require, and reports them as missing."""
    gaps: Unsaved
    list_acked: bool
    """Whether the result must list the rows of ``acked``."""


@dataclass(frozen=True, slots=True)
class FileWorkDone:
    """The result of a ``FileWork``."""

    state: FileState
    acked: int
    dropped: int
    refused: int
    missing: tuple[MissingRows, ...]
    delivered: tuple[DeliveredRows, ...]
