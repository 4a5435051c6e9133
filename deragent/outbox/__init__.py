"""The outbox: samples that the headend has not acknowledged, in memory and in a file.

From the ground up: ``seq_spans`` (runs of sequence numbers), ``held_rows`` (samples in memory),
``gap_book`` (what will never be sent), ``file_work`` (what the file is to do), ``file_rows``
(its rows as values), ``spill_timing`` (when rows go there), ``sample_queue`` (the outbox itself),
all pure; and ``outbox_file`` (SQLite).
"""

from deragent.outbox.file_work import FileLookup, OutboxLimits
from deragent.outbox.gap_book import Gap, GapBook
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.sample_queue import BackfillBatch, Outbox

__all__ = ["BackfillBatch", "FileLookup", "Gap", "GapBook", "Outbox", "OutboxLimits", "OutboxRow"]
