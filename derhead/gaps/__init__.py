"""The gap ledger: every gap in every asset's history, its cause, and how far backfill closed it.

From the ground up: ``record`` (a gap as the journal keeps it) · ``holes`` (a hole, and how samples
fill it) · ``asset_holes`` (all holes of one asset) and ``reports`` (of agents) · ``watch`` (one
asset) · ``tracker`` (all assets) · ``ledger`` (the task).
"""

from derhead.gaps.asset_holes import HOLES_KEPT
from derhead.gaps.holes import GapLimits, Origin, ReportedGap
from derhead.gaps.ledger import GapLedger
from derhead.gaps.record import GapRecord, HoleCause, is_reported
from derhead.gaps.reports import read_gap_report
from derhead.gaps.tracker import GapStatistics, Unfinished
