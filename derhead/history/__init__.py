"""History: the embedded journal, always there, and the queries over it."""

from derhead.history.journal import Journal, JournalError, JournalStatistics, open_journal
from derhead.history.page import BadCursor, Page

__all__ = ["Journal", "JournalError", "JournalStatistics", "open_journal", "BadCursor", "Page"]
