"""The outbox: samples that the headend has not acknowledged, in memory and in a file."""

from deragent.outbox.gaps import Gap, GapBook
from deragent.outbox.outbox import Batch, Outbox, OutboxLimits, Read
from deragent.outbox.rows import Row

__all__ = ["Batch", "Gap", "GapBook", "Outbox", "OutboxLimits", "Read", "Row"]
