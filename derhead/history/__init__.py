"""History: the headend's records, always in its journal, and in PostgreSQL if that is configured.

From the ground up: ``sql`` (what both stores share), ``file`` (the journal's file), ``spool``
(changes that PostgreSQL lacks), ``writing`` and ``queries`` (the journal's statements),
``journal``; ``postgres``; ``claim`` (one headend a database), ``feed`` (from the journal to
PostgreSQL), ``retention`` (what the journal forgets), ``union`` (both stores as one history).
"""

from derhead.errors import JournalError
from derhead.history.claim.claim_gate import ClaimGate
from derhead.history.claim.claim_keeper import ClaimKeeper, ClaimStatus
from derhead.history.claim.claimant import read_claimant
from derhead.history.feed.clearing import clear_spool
from derhead.history.feed.feed_health import FeedStatistics
from derhead.history.feed.feeder import Feed
from derhead.history.feed.restoring import is_new, restore
from derhead.history.file.backup import back_up, put_back
from derhead.history.file.salvage import Salvaged
from derhead.history.journal.embedded import Journal
from derhead.history.journal.journal_statistics import JournalStatistics
from derhead.history.journal.opening import open_journal
from derhead.history.postgres.archive import Archive
from derhead.history.postgres.making import make_postgres
from derhead.history.queries.read_only import SpoolWatch, open_for_reading
from derhead.history.retention.policy import (
    DAY_US,
    FED_KEPT_DAYS,
    GB,
    KEPT_DAYS,
    RetentionLimits,
    RetentionStatistics,
)
from derhead.history.retention.sweeper import Retention
from derhead.history.sql.cursors import BadCursor, Page, decode_cursor, encode_cursor
from derhead.history.sql.histories import Histories
from derhead.history.sql.page_request import EVER, PageRequest, TimeRange
from derhead.history.union.combined import History, LiveHistory
from derhead.history.union.level_past import LevelPast
