"""The outbox: samples that the headend has not acknowledged, in memory and in a file.

From the ground up: ``seq_spans`` (runs of sequence numbers), ``held_rows`` (samples in memory),
``gap_book`` (what will never be sent), ``sample_queue`` (the outbox itself), all pure; and
``outbox_file`` (SQLite).
"""

from deragent.outbox.gap_book import Gap, GapBook
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.sample_queue import BackfillBatch, FileLookup, Outbox, OutboxLimits

__all__ = ["BackfillBatch", "FileLookup", "Gap", "GapBook", "Outbox", "OutboxLimits", "OutboxRow"]
