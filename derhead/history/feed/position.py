"""Where the feed stands: which database, how far, and what was there before it. Kept in the
journal's facts, so that it goes on there after a restart.

Synchronous; what changes it is one transaction of the writer.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from derhead.history.file import facts
from derhead.history.file.transaction import transaction


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where the feed stands."""

    journal: str
    """This journal's name in PostgreSQL."""
    database: str | None
    """The identity of the one that is fed; None = none was reached yet."""
    number: int
    """Of the newest batch that it has committed."""
    walk: str | None
    """Up to where what was there before is fed; None = not begun."""
    whole: bool
    """All that was there before is fed."""


def begin(con: sqlite3.Connection) -> FeedPosition:
    """Where it stands at the start; a journal that was never fed gets its name.

    A journal that is empty may be one that was lost: until PostgreSQL has been asked, it may
    know of any time what the journal does not.
    """
    with transaction(con):
        if facts.get(con, facts.FEED_JOURNAL) is None:
            facts.put(con, facts.FEED_JOURNAL, str(uuid4()))
            (empty,) = con.execute("SELECT NOT EXISTS (SELECT 1 FROM telemetry)").fetchone()
            if empty:
                facts.put(con, facts.TELEMETRY_WHOLE, "0")
    return _read(con)


def adopt(con: sqlite3.Connection, database: str, fed: Mapping[str, int]) -> FeedPosition:
    """The database is another than the one fed, or has forgotten, or was fed more than this
    journal remembers; ``fed`` is what it says of each journal.

    What it may lack is fed again: everything. What it knows and the journal may not is asked
    of it from now on.
    """
    with transaction(con):
        before = _read(con)
        its_number = fed.get(before.journal, 0)
        if before.database != database or its_number < before.number:
            for key in (facts.FED_WHOLE, facts.FEED_WALK):
                facts.put(con, key, None)
        knows_more = any(journal != before.journal for journal in fed)
        if before.database == database and its_number > before.number + 1:
            # The journal is a copy from before: what came after is in PostgreSQL alone.
            knows_more = True
        if before.database != database or knows_more:
            facts.put(con, facts.TELEMETRY_WHOLE, "0" if knows_more else None)
        facts.put(con, facts.FEED_DATABASE, database)
        facts.put(con, facts.FEED_BATCH, its_number)
    return _read(con)


def put_walk(con: sqlite3.Connection, position: str | None, number: int) -> None:
    """The database has everything up to that position; None = the walk is over."""
    with transaction(con):
        facts.put(con, facts.FEED_WALK, position)
        facts.put(con, facts.FED_WHOLE, "1" if position is None else None)
        facts.put(con, facts.FEED_BATCH, number)


def _read(con: sqlite3.Connection) -> FeedPosition:
    return FeedPosition(
        journal=facts.get(con, facts.FEED_JOURNAL) or "",
        database=facts.get(con, facts.FEED_DATABASE),
        number=facts.get_int(con, facts.FEED_BATCH) or 0,
        walk=facts.get(con, facts.FEED_WALK),
        whole=facts.get(con, facts.FED_WHOLE) is not None,
    )
