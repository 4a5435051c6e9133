"""What the journal knows of itself: the keys of its table ``facts``, and their values.

Synchronous. Functions that change a fact must run inside a transaction of the writer.
"""

import sqlite3

from derhead.history.sql.listings import HorizonKind

TELEMETRY_FROM_US = HorizonKind.TELEMETRY.value
"""Every stored sample of this time or later is still here; none = every sample is. Earlier samples
may be gone. The value only grows."""

HEARTBEATS_FROM_US = HorizonKind.HEARTBEATS.value
"""The same for heartbeats, by arrival."""

RECORDS_FROM_US = HorizonKind.RECORDS.value
"""The same for dispatches, sessions and gaps, by their start."""

AUDIT_FROM_US = HorizonKind.AUDIT.value
"""The same for the audit trail."""

LEVELS_FROM_US = HorizonKind.LEVELS.value
"""The same for service levels, by their hour."""

TELEMETRY_WHOLE = "telemetry_whole"
"""``0`` = PostgreSQL may have rows of any time that this file lacks, because the file is new or was
salvaged."""

FED_WHOLE = "fed_whole"
"""Set while PostgreSQL has been fed everything that this file held before PostgreSQL was
configured. Later rows that are not fed yet are in ``unfed``."""

FEED_JOURNAL = "feed_journal"
"""This journal's name in PostgreSQL, chosen when PostgreSQL was first configured."""

FEED_DATABASE = "feed_database"
"""The identity of the database that is fed; none = no database was reached yet."""

FEED_BATCH = "feed_batch"
"""The number of the newest batch that the database committed."""

FEED_WALK = "feed_walk"
"""How far the feed's walk through the tables has come; see ``feed.table_pages``."""

CLAIMANT = "claimant"
"""This headend's id among those that claim its PostgreSQL, chosen once."""

CLAIM_TERM = "claim_term"
"""The newest claim of this headend at whose start the journal had all that PostgreSQL knew."""

FEED = (FEED_JOURNAL, FEED_DATABASE, FEED_BATCH, FEED_WALK, FED_WHOLE)
"""Facts that hold only while everything stored also goes through ``unfed``."""

TOLD_TOKENS = "told_tokens"
"""The tokens as the audit trail last told of them (``audit.ToldTokens``)."""

DAMAGE = "damage"
"""What was salvaged, as JSON (``salvage``), until a headend that reported it was closed in
order."""

PAST_DAMAGE = "past_damage"
"""The newest such report, after a headend that reported it was closed in order."""


def get(con: sqlite3.Connection, key: str) -> str | None:
    """The fact's value; None if there is none."""
    found = con.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return None if found is None else str(found[0])


def get_int(con: sqlite3.Connection, key: str) -> int | None:
    """The value of an integer fact."""
    value = get(con, key)
    return None if value is None else int(value)


def put(con: sqlite3.Connection, key: str, value: str | int | None) -> None:
    """Sets the value; None removes the fact."""
    if value is None:
        con.execute("DELETE FROM facts WHERE key = ?", (key,))
        return
    con.execute(
        "INSERT INTO facts (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, str(value)),
    )
