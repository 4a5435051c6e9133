"""Writes groups of records, each group in one transaction.

Synchronous; one call at a time, through ``Runtime.run_blocking``.

A group is first written quickly: all rows of a table in as few statements as SQLite allows. A
thread hands over the interpreter at every statement. Beside a busy loop, a statement for each row
would cost milliseconds a row. If the store can never take some value, it rolls back and writes the
group carefully: each unit behind a savepoint. Then it refuses only the guilty unit.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice

from derhead.audit import AuditRecord, ToldTokens
from derhead.dispatch import Dispatch, DispatchGroup, ForgetKeys, Judged, UsedKey
from derhead.gaps import GapRecord
from derhead.history.file import facts, inserts
from derhead.history.spool.payload import FORGOTTEN_KEYS, VERDICTS
from derhead.history.spool.unfed import Spooling
from derhead.history.sql import mapping, row_types
from derhead.history.writing import eventlog
from derhead.history.writing.ids import Ids
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

Note = SessionRecord | HeartbeatRecord | GapRecord | AuditRecord | ToldTokens | LevelHour
"""Records that nobody waits for."""

Record = Dispatch | DispatchGroup | UsedKey | ForgetKeys | Judged | Note

UNSTORABLE = (
    OverflowError,
    UnicodeEncodeError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)
"""Errors of a value, which would recur. Every other ``sqlite3.Error`` is an error of the store."""


@dataclass(frozen=True, slots=True)
class Group:
    """The contents of one transaction."""

    batches: tuple[Sequence[Sample], ...] = ()
    """Telemetry; each batch is stored whole or refused whole."""
    notes: tuple[Note, ...] = ()
    writes: tuple[tuple[Record, ...], ...] = ()
    """Writes; each is stored whole or refused whole."""
    now_us: int = 0
    """Time of the commit, microseconds since the epoch."""


@dataclass(slots=True)
class CommitOutcome:
    """The result of a committed group."""

    inserted_rows: int = 0
    duplicate_rows: int = 0
    refused_batches: dict[int, Exception] = field(default_factory=dict)
    """By place in the group."""
    refused_notes: dict[int, Exception] = field(default_factory=dict)
    refused_writes: dict[int, Exception] = field(default_factory=dict)
    newest_event: int | None = None
    """The number of the newest event written; None = no event."""


class Store:
    """Writes to one connection that nobody else writes to.

    With ``spooling``, every change also goes into the spool for PostgreSQL.
    """

    def __init__(self, con: sqlite3.Connection, spooling: Spooling | None = None) -> None:
        self._con = con
        self._ids = Ids(con)
        self._spooling = spooling

    def commit(self, group: Group) -> CommitOutcome:
        """Stores the group in one transaction, which is durable on return.

        Raises: sqlite3.Error; then nothing of the group is stored.
        """
        try:
            return self._commit_quickly(group)
        except UNSTORABLE:
            return self._commit_carefully(group)

    def probe(self) -> CommitOutcome:
        """Writes a commit that changes nothing, to find out whether the store works.

        Raises: sqlite3.Error.
        """
        with self.transaction() as con:
            (version,) = con.execute("PRAGMA user_version").fetchone()
            con.execute(f"PRAGMA user_version = {version}")
        return CommitOutcome()

    @contextmanager
    def transaction(self, now_us: int = 0) -> Iterator[sqlite3.Connection]:
        """Commits at the end; rolls back on any error."""
        committed = False
        try:
            with self._con:
                self._con.execute("BEGIN IMMEDIATE")
                yield self._con
                if self._spooling is not None:
                    self._spooling.write(self._con, now_us)
            committed = True
        finally:
            if not committed:
                self._ids.forget()
            if self._spooling is not None:
                self._spooling.settle(committed)

    def spool(self, table: str, lines: Sequence[row_types.Row]) -> None:
        """Notes changed rows of a table, within a transaction."""
        if self._spooling is not None:
            self._spooling.add(table, lines)

    def _commit_quickly(self, group: Group) -> CommitOutcome:
        with self.transaction(group.now_us):
            outcome = CommitOutcome()
            self._insert_telemetry(group.batches, outcome)
            self._insert_records((*group.notes, *chain(*group.writes)), group.now_us, outcome)
        return outcome

    def _commit_carefully(self, group: Group) -> CommitOutcome:
        with self.transaction(group.now_us):
            outcome = CommitOutcome()
            for place, batch in enumerate(group.batches):
                work = partial(self._insert_telemetry, (batch,), outcome)
                self._attempt(work, outcome.refused_batches, place)
            for place, note in enumerate(group.notes):
                work = partial(self._insert_records, (note,), group.now_us, outcome)
                self._attempt(work, outcome.refused_notes, place)
            for place, records in enumerate(group.writes):
                work = partial(self._insert_records, records, group.now_us, outcome)
                self._attempt(work, outcome.refused_writes, place)
        return outcome

    def _attempt(self, work: Callable[[], None], refused: dict[int, Exception], place: int) -> None:
        self._con.execute("SAVEPOINT unit")
        try:
            work()
        except UNSTORABLE as error:
            self._con.execute("ROLLBACK TO unit")
            self._ids.forget()
            refused[place] = error
        self._con.execute("RELEASE unit")

    def _insert_telemetry(
        self, batches: Sequence[Sequence[Sample]], outcome: CommitOutcome
    ) -> None:
        asset_ids = dict.fromkeys(chain.from_iterable(map(mapping.asset_ids, batches)))
        boot_keys = dict.fromkeys(chain.from_iterable(map(mapping.boots, batches)))
        assets, boots = self._ids.assets(asset_ids), self._ids.boots(boot_keys)
        telemetry = list(
            chain.from_iterable(mapping.telemetry_rows(batch, assets, boots) for batch in batches)
        )
        inserted = inserts.INSERTS["telemetry"].execute(self._con, telemetry)
        if self._spooling is not None:
            self._spooling.add_telemetry(
                telemetry,
                ((assets[asset_id], asset_id) for asset_id in asset_ids),
                ((boots[key], key) for key in boot_keys),
            )
        outcome.inserted_rows += inserted
        outcome.duplicate_rows += sum(map(len, batches)) - inserted

    def _insert_records(
        self, records: Sequence[Record], now_us: int, outcome: CommitOutcome
    ) -> None:
        before = eventlog.open_before(self._con, records)
        changed: dict[str, list[row_types.Row]] = {name: [] for name in inserts.INSERTS}
        judged: list[row_types.Row] = []
        forgotten: list[row_types.Row] = []
        for record in records:
            match record:
                case Dispatch():
                    changed["dispatches"].append(mapping.dispatch_row(record))
                    changed["dispatch_states"].extend(mapping.state_rows(record))
                case DispatchGroup():
                    changed["dispatch_groups"].append(mapping.group_row(record))
                case UsedKey():
                    changed["idempotency_keys"].append(mapping.used_key_row(record))
                case ForgetKeys(before_us, at_most):
                    _forget_keys(self._con, before_us, at_most)
                    forgotten.append((before_us,))
                case Judged(dispatch_id, text):
                    judged.append((dispatch_id, text))
                case SessionRecord():
                    changed["sessions"].append(mapping.session_row(record))
                case AuditRecord():
                    changed["audit"].append(mapping.audit_row(record))
                case ToldTokens(text):
                    facts.put(self._con, facts.TOLD_TOKENS, text)
                case HeartbeatRecord():
                    changed["heartbeats"].append(mapping.heartbeat_row(record))
                case GapRecord():
                    changed["gaps"].append(mapping.gap_row(record))
                case LevelHour():
                    changed["service_levels"].append(mapping.level_row(record))
        for table, lines in changed.items():
            inserts.INSERTS[table].execute(self._con, lines)
        _keep_verdicts(self._con, judged)
        newest = eventlog.log(self._con, records, before, now_us)
        outcome.newest_event = newest or outcome.newest_event
        # The spool comes last: a refused unit must leave nothing in it.
        for table, lines in (*changed.items(), (VERDICTS, judged), (FORGOTTEN_KEYS, forgotten)):
            self.spool(table, lines)


def _forget_keys(con: sqlite3.Connection, before_us: int, at_most: int) -> None:
    """Deletes the oldest keys from before that time."""
    con.execute(
        "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys"
        " WHERE created_us < ? ORDER BY created_us LIMIT ?)",
        (before_us, at_most),
    )


def _keep_verdicts(con: sqlite3.Connection, judged: Sequence[row_types.Row]) -> None:
    """Stores each (dispatch id, verdict), many in one statement."""
    remaining = iter(judged)
    while chunk := list(islice(remaining, inserts.MAX_PARAMETERS // 2)):
        marks = ",".join(["(?,?)"] * len(chunk))
        con.execute(
            f"WITH judged(id, verdict) AS (VALUES {marks})"
            " UPDATE dispatches SET verdict = judged.verdict FROM judged"
            " WHERE dispatches.id = judged.id",
            list(chain.from_iterable(chunk)),
        )
