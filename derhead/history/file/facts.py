"""What the journal knows of itself: the keys of its table ``facts``, and how they are kept.

Synchronous; what changes them is called inside a transaction of the writer.
"""

import sqlite3

from derhead.history.sql.listings import Kept

TELEMETRY_FROM_US = Kept.TELEMETRY.value
"""Every sample from this time on that was ever stored here still is; none = every sample.
Samples from before it may be gone. It only grows."""

HEARTBEATS_FROM_US = Kept.HEARTBEATS.value
"""The same of heartbeats, by when they were received."""

RECORDS_FROM_US = Kept.RECORDS.value
"""The same of dispatches, sessions and gaps, by when they began."""

TELEMETRY_WHOLE = "telemetry_whole"
"""``0`` = PostgreSQL may have samples, and other rows, of any time that this file has not: it
was made anew, or mended."""

FED_WHOLE = "fed_whole"
"""There while PostgreSQL has been fed all that this file held before it was configured; what
came since and is not fed yet is in ``unfed``."""

FEED_JOURNAL = "feed_journal"
"""This journal's name in PostgreSQL, made when PostgreSQL was first configured."""

FEED_DATABASE = "feed_database"
"""The identity of the database that is fed; none = it was not reached yet."""

FEED_BATCH = "feed_batch"
"""The number of the newest batch that the database has committed."""

FEED_WALK = "feed_walk"
"""How far the feed has read the tables for what was there before; see ``feed.table_pages``."""

FEED = (FEED_JOURNAL, FEED_DATABASE, FEED_BATCH, FEED_WALK, FED_WHOLE)
"""All that is true only as long as everything stored also goes through ``unfed``."""

DAMAGE = "damage"
"""What was salvaged, as JSON (``salvage``), until the headend was closed in order once."""

PAST_DAMAGE = "past_damage"
"""The same after that: what was salvaged last."""


def get(con: sqlite3.Connection, key: str) -> str | None:
    """The fact's value; None if there is none."""
    found = con.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return None if found is None else str(found[0])


def get_int(con: sqlite3.Connection, key: str) -> int | None:
    """The value of a fact that is a whole number."""
    value = get(con, key)
    return None if value is None else int(value)


def put(con: sqlite3.Connection, key: str, value: str | int | None) -> None:
    """Keeps the value in place of the one there; None = there is none any more."""
    if value is None:
        con.execute("DELETE FROM facts WHERE key = ?", (key,))
        return
    con.execute(
        "INSERT INTO facts (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, str(value)),
    )
