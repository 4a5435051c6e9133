"""The gap ledger: every hole in the history of every asset, why it is there, and what closed it."""

from derhead.gaps.record import Cause, GapRecord

__all__ = ["Cause", "GapRecord"]
