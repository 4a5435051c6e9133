"""What the outbox asks of its file, what comes of it, and how much may wait. Pure."""

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
"""What a row takes in the file at the most."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much may wait."""

    memory_rows: int = MEMORY_ROWS
    file_rows: int = FILE_ROWS
    file_mb: int = FILE_MB

    def excess(self, rows: int, size: int, adding: int) -> int:
        """How many of its rows a file of ``size`` bytes gives up for those it is to add."""
        room = min(self.file_rows, max(1, self.file_mb * 1_000_000 // ROW_BYTES))
        over = size - self.file_mb * 1_000_000
        too_big = math.ceil(rows * over / size) + adding if over > 0 else 0
        return max(0, rows + adding - room, too_big)


@dataclass(frozen=True, slots=True)
class FileState:
    """What the file holds."""

    rows: int
    oldest_ts_us: int
    """Time of the first of its rows, in the order of boots and numbers; 0 without any."""
    newest_ts_us: int


@dataclass(frozen=True, slots=True)
class FileLookup:
    """What is to be looked up in the file: the oldest rows of a range, ``most`` at the most."""

    boot_id: int
    first: int
    last: int
    most: int


@dataclass(frozen=True, slots=True)
class FileWork:
    """What the file is to do, all or nothing, in this order."""

    acked: tuple[SeqSpan, ...]
    """Rows to be taken out."""
    refused: tuple[SeqSpan, ...]
    """The same, with an account of what is missing."""
    rows: Sequence[OutboxRow]
    """Rows of this boot to be added; then as many of the oldest are given up as the limits
    ask, with an account of them too."""
    gaps: Unsaved
    account: bool
    """Whether it matters what was in ``acked``."""


@dataclass(frozen=True, slots=True)
class FileWorkDone:
    """What came of it."""

    state: FileState
    acked: int
    dropped: int
    refused: int
    missing: tuple[MissingRows, ...]
    delivered: tuple[DeliveredRows, ...]
