"""The feed's position: which database it feeds, and how far.

Synchronous; each change is one transaction of the writer. The journal's facts keep the position
over a restart.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from derhead.history.file import facts


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far the feed is."""

    journal: str
    """This journal's name in PostgreSQL."""
    database: str | None
    """The identity of the database that is fed; None = none was reached yet."""
    number: int
    """The number of the newest batch that the database committed."""
    walk: str | None
    """How far the tables have been fed; None = not begun."""
    whole: bool
    """Everything from before PostgreSQL was configured is fed."""


def begin(con: sqlite3.Connection) -> FeedPosition:
    """The position at the start; a journal that was never fed gets its name.

    An empty journal may replace one that was lost. Until PostgreSQL has been asked, it may have
    rows of any time that the journal lacks.
    """
    with con:
        con.execute("BEGIN IMMEDIATE")
        if facts.get(con, facts.FEED_JOURNAL) is None:
            facts.put(con, facts.FEED_JOURNAL, str(uuid4()))
            (empty,) = con.execute("SELECT NOT EXISTS (SELECT 1 FROM telemetry)").fetchone()
            if empty:
                facts.put(con, facts.TELEMETRY_WHOLE, "0")
    return _read(con)


def adopt(con: sqlite3.Connection, database: str, fed: Mapping[str, int]) -> FeedPosition:
    """Notes that the database is not the one that was fed, or lost rows, or has more than this
    journal remembers. ``fed`` is the database's own count for each journal.

    Everything is fed again if the database may lack something. From now on queries ask PostgreSQL
    for rows that the journal may lack.
    """
    with con:
        con.execute("BEGIN IMMEDIATE")
        before = _read(con)
        its_number = fed.get(before.journal, 0)
        if before.database != database or its_number < before.number:
            for key in (facts.FED_WHOLE, facts.FEED_WALK):
                facts.put(con, key, None)
        knows_more = any(journal != before.journal for journal in fed)
        if before.database == database and its_number > before.number + 1:
            # The journal is an older copy: PostgreSQL alone has what came later.
            knows_more = True
        if before.database != database or knows_more:
            facts.put(con, facts.TELEMETRY_WHOLE, "0" if knows_more else None)
        facts.put(con, facts.FEED_DATABASE, database)
        facts.put(con, facts.FEED_BATCH, its_number)
    return _read(con)


def put_walk(con: sqlite3.Connection, position: str | None, number: int) -> None:
    """Notes that the database has the tables up to that position; None = all of them."""
    with con:
        con.execute("BEGIN IMMEDIATE")
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
