"""The table ``unfed``: one row for each commit that PostgreSQL was not fed yet.

Synchronous. The store uses ``Spooling``, which writes in the commit's own transaction. So every row
that PostgreSQL lacks is in the spool, whatever crashes. The feed uses the functions.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from derhead.history.file import facts
from derhead.history.spool.payload import CommitChanges, pack
from derhead.history.sql.row_types import Row

READ_BYTES = 4 * 1024 * 1024
"""Bytes of the spool in memory; a single row may be more. When full, the remaining rows are read
after these are fed."""

TS_US = 1
"""The place of ``ts_us`` in a row of telemetry."""


class Spooling:
    """Collects what a transaction changes and adds it to the spool at the transaction's end."""

    def __init__(self) -> None:
        self._changes = CommitChanges()
        self._written: tuple[int, int] | None = None
        self.newest_id = 0
        """The greatest id in the spool since the journal was opened."""
        self.added_rows = 0
        """Rows of any table that were added since the journal was opened."""

    def add_telemetry(
        self,
        telemetry: Sequence[Row],
        assets: Iterable[tuple[int, str]],
        boots: Iterable[tuple[int, tuple[str, int]]],
    ) -> None:
        """Adds rows of telemetry, and the names for their numbers."""
        self._changes.telemetry.extend(telemetry)
        self._changes.assets.update(assets)
        self._changes.boots.update(boots)

    def add(self, table: str, lines: Sequence[Row]) -> None:
        """Adds rows of another table, or changes of another kind."""
        if lines:
            self._changes.records.append((table, list(lines)))

    def write(self, con: sqlite3.Connection, now_us: int) -> None:
        """Writes one row of the spool for everything that was added, within the transaction."""
        changes, self._changes = self._changes, CommitChanges()
        if not changes.rows:
            return
        times = [row[TS_US] for row in changes.telemetry]
        done = con.execute(
            "INSERT INTO unfed (committed_us, rows, oldest_ts_us, newest_ts_us, payload)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                now_us,
                changes.rows,
                min(times, default=None),
                max(times, default=None),
                pack(changes),
            ),
        )
        self._written = (done.lastrowid or 0, changes.rows)

    def settle(self, committed: bool) -> None:
        """Ends a transaction that was committed or rolled back."""
        if committed and self._written is not None:
            self.newest_id, rows = self._written
            self.added_rows += rows
        self._changes, self._written = CommitChanges(), None


@dataclass(frozen=True, slots=True)
class Spooled:
    """The changes of one commit, as stored in the spool."""

    id: int
    committed_us: int
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """How much waits in the spool."""

    rows: int
    """Rows of any table."""
    newest_id: int
    """The greatest id that the spool ever used."""
    oldest_us: int | None
    """When the oldest waiting commit was made; None if none waits."""


def measure(con: sqlite3.Connection) -> SpoolSize:
    """Measures the spool by reading all of it: once, at the start."""
    rows, newest_id = con.execute(
        "SELECT coalesce(sum(rows), 0),"
        " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'unfed'), 0) FROM unfed"
    ).fetchone()
    return SpoolSize(rows, newest_id, oldest_us(con))


def oldest_us(con: sqlite3.Connection) -> int | None:
    """When the oldest waiting commit was made; None if none waits."""
    found = con.execute("SELECT committed_us FROM unfed ORDER BY id LIMIT 1").fetchone()
    return None if found is None else int(found[0])


def read(
    con: sqlite3.Connection, after_id: int, before_id: int, at_most_rows: int
) -> list[Spooled]:
    """The next commits between two ids, in order: about ``at_most_rows`` rows, but at least one
    commit."""
    found: list[Spooled] = []
    rows = size = 0
    statement = (
        "SELECT id, committed_us, rows, payload FROM unfed WHERE id > ? AND id < ? ORDER BY id"
    )
    with closing(con.execute(statement, (after_id, before_id))) as cursor:
        for line in cursor:
            spooled = Spooled(*line)
            if found and (rows + spooled.rows > at_most_rows or size > READ_BYTES):
                break
            found.append(spooled)
            rows += spooled.rows
            size += len(spooled.payload)
    return found


def drop(con: sqlite3.Connection, ids: Iterable[int], number: int) -> None:
    """Removes commits that PostgreSQL has committed as the batch of that number."""
    with con:
        con.execute("BEGIN IMMEDIATE")
        con.execute(
            "DELETE FROM unfed WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        facts.put(con, facts.FEED_BATCH, number)


def newest(con: sqlite3.Connection) -> int:
    """The id of the newest waiting commit; 0 if none waits."""
    return int(con.execute("SELECT coalesce(max(id), 0) FROM unfed").fetchone()[0])


def holds_older(con: sqlite3.Connection, than_us: int, up_to: int) -> bool:
    """Whether commits up to that id hold samples measured before that time."""
    found = con.execute(
        "SELECT 1 FROM unfed WHERE oldest_ts_us < ? AND id <= ? LIMIT 1", (than_us, up_to)
    )
    return found.fetchone() is not None


def holds_any(con: sqlite3.Connection, up_to: int) -> bool:
    """Whether commits up to that id wait."""
    found = con.execute("SELECT 1 FROM unfed WHERE id <= ? LIMIT 1", (up_to,))
    return found.fetchone() is not None


def clear(con: sqlite3.Connection, at_most: int) -> bool:
    """Removes up to ``at_most`` commits of an abandoned spool, and the feed's facts. True once the
    spool is empty."""
    with con:
        con.execute("BEGIN IMMEDIATE")
        for key in facts.FEED:
            facts.put(con, key, None)
        deleted = con.execute(
            "DELETE FROM unfed WHERE id IN (SELECT id FROM unfed ORDER BY id LIMIT ?)", (at_most,)
        ).rowcount
    return deleted < at_most
