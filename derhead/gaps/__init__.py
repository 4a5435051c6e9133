"""The gap ledger: every hole in the history of every asset, why it is there, and what closed it."""

from derhead.gaps.holes import GapLimits, Origin, Told
from derhead.gaps.ledger import GapLedger
from derhead.gaps.record import Cause, GapRecord
from derhead.gaps.reports import read_gap_report
from derhead.gaps.tracker import GapStatistics, Unfinished
from derhead.gaps.watch import HOLES_KEPT

__all__ = [
    "HOLES_KEPT",
    "Cause",
    "GapLedger",
    "GapLimits",
    "GapRecord",
    "GapStatistics",
    "Origin",
    "Told",
    "Unfinished",
    "read_gap_report",
]
