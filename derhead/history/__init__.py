"""History: the embedded journal, always there, and the queries over it."""

from derhead.errors import JournalError
from derhead.history.archive import Archive
from derhead.history.feed.restoring import restore
from derhead.history.feed.statistics import FeedStatistics
from derhead.history.feed.task import Feed, clear_spool
from derhead.history.history import History, LiveHistory
from derhead.history.journal import Journal
from derhead.history.opening import open_journal
from derhead.history.page import BadCursor, Page, decode_cursor, encode_cursor
from derhead.history.postgres import Postgres, StoreUnreachable
from derhead.history.reading import SpoolWatch, open_for_reading
from derhead.history.retention import (
    DAY_US,
    FED_KEPT_DAYS,
    GB,
    KEPT_DAYS,
    Retention,
    RetentionLimits,
    RetentionStatistics,
)
from derhead.history.salvage import Salvaged
from derhead.history.statistics import JournalStatistics

__all__ = [
    "Archive",
    "Feed",
    "FeedStatistics",
    "History",
    "Journal",
    "JournalError",
    "JournalStatistics",
    "LiveHistory",
    "open_for_reading",
    "open_journal",
    "SpoolWatch",
    "Postgres",
    "StoreUnreachable",
    "restore",
    "clear_spool",
    "BadCursor",
    "Page",
    "decode_cursor",
    "encode_cursor",
    "DAY_US",
    "FED_KEPT_DAYS",
    "GB",
    "KEPT_DAYS",
    "Retention",
    "RetentionLimits",
    "RetentionStatistics",
    "Salvaged",
]
