"""Faults of the journal, and of the feed of PostgreSQL."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from unittest.mock import patch

from derhead.daemon import limits
from derhead.history.feed.batch_loading import BatchLoading
from derhead.history.journal.waiting import SampleBatch, Taken, WaitingRecords
from derhead.history.postgres.connections.causes import StoreUnreachable
from derhead.history.retention import policy
from derhead.history.spool.feed_batch import FeedBatch
from derhead.history.spool.unfed import Spooling
from derhead.history.sql import mapping, row_types
from derhead.history.writing.record_store import CommitOutcome, Store
from derhead.telemetry import Sample
from tests.soak.mutations.mutation import EveryNth, Table
from tests.soak.plan import Act, Kind

mutation = Table()
MUTATIONS = mutation.mutations

ACKED = "no acknowledged sample is lost"
TWICE = "no sample is stored twice"
MEASURED = "the journal holds what devices measured"
FED = "PostgreSQL has all that the journal had"
SEQ = row_types.TELEMETRY.index("seq")


@mutation("journal", "one message in 300 is acknowledged, and not stored", ACKED)
def message_is_not_stored() -> AbstractContextManager[object]:
    insert, is_due = Store._insert_telemetry, EveryNth(300)

    def insert_fewer(
        store: Store, batches: Sequence[Sequence[Sample]], outcome: CommitOutcome
    ) -> None:
        insert(store, [batch for batch in batches if not is_due()], outcome)

    return patch.object(Store, "_insert_telemetry", insert_fewer)


@mutation("journal", "one row in 5,000 is stored again under another number", TWICE)
def row_is_stored_twice() -> AbstractContextManager[object]:
    rows_of, is_due = mapping.telemetry_rows, EveryNth(5000)

    def rows_and_more(*arguments: object) -> Iterable[row_types.Row]:
        for row in rows_of(*arguments):  # type: ignore[arg-type]
            yield row
            if is_due():
                yield (*row[:SEQ], row[SEQ] + 1_000_000, *row[SEQ + 1 :])

    return patch.object(mapping, "telemetry_rows", rows_and_more)


@mutation("journal", "one row in 5,000 is stored with the power of the row before", MEASURED)
def row_takes_another_power() -> AbstractContextManager[object]:
    rows_of, is_due = mapping.telemetry_rows, EveryNth(5000)
    power = row_types.TELEMETRY.index("p_mw")

    def rows_with_errors(*arguments: object) -> Iterable[row_types.Row]:
        before: row_types.Row | None = None
        for row in rows_of(*arguments):  # type: ignore[arg-type]
            if before is not None and is_due():
                row = (*row[:power], before[power], *row[power + 1 :])
            yield row
            before = row

    return patch.object(mapping, "telemetry_rows", rows_with_errors)


@mutation(
    "journal",
    "telemetry is acknowledged before its commit",
    ACKED,
    # A kill seldom meets the moment between the two.
    acts=tuple(Act(200.0 + 60.37 * n, Kind.KILL_HEADEND, 0, 5.0) for n in range(40)),
)
def acknowledged_before_the_commit() -> AbstractContextManager[object]:
    add = WaitingRecords.add_batch

    def add_and_acknowledge(waiting: WaitingRecords, batch: SampleBatch) -> None:
        batch.on_durable()
        add(waiting, batch)

    return patch.object(WaitingRecords, "add_batch", add_and_acknowledge)


@mutation("journal", "telemetry of a commit that fails is forgotten, as if it were stored", ACKED)
def failed_commit_is_forgotten() -> AbstractContextManager[object]:
    put_back = WaitingRecords.put_back

    def put_back_less(waiting: WaitingRecords, taken: Taken, now_s: float) -> None:
        for batch in taken.batches:
            batch.on_durable()
        waiting.settle(taken)
        taken.batches.clear()
        put_back(waiting, taken, now_s)

    return patch.object(WaitingRecords, "put_back", put_back_less)


@mutation("retention", "days that are kept are reckoned as hours", ACKED, hours=8)
def retention_reckons_hours() -> AbstractContextManager[object]:
    return patch.object(limits, "DAY_US", policy.HOUR_US)


@mutation("feed", "the telemetry of one commit in 300 is left out of the spool", FED)
def commit_is_not_spooled() -> AbstractContextManager[object]:
    write, is_due = Spooling.write, EveryNth(300)

    def write_less(spooling: Spooling, con: sqlite3.Connection, now_us: int) -> None:
        if is_due():
            spooling._changes.telemetry.clear()
        write(spooling, con, now_us)

    return patch.object(Spooling, "write", write_less)


@mutation("feed", "a batch whose answer was lost is counted as fed", FED, hours=8)
def lost_answer_counts_as_fed() -> AbstractContextManager[object]:
    load = BatchLoading.load

    async def load_and_hope(loading: BatchLoading, batch: FeedBatch) -> int:
        try:
            return await load(loading, batch)
        except StoreUnreachable:
            assert loading.position is not None
            return loading.position.number

    return patch.object(BatchLoading, "load", load_and_hope)


@mutation("feed", "each 40th change of a dispatch is left out of the spool", FED, busy=True)
def change_is_not_spooled() -> AbstractContextManager[object]:
    add, is_due = Spooling.add, EveryNth(40)

    def add_fewer(spooling: Spooling, table: str, lines: Sequence[row_types.Row]) -> None:
        if table != "dispatches" or not is_due():
            add(spooling, table, lines)

    return patch.object(Spooling, "add", add_fewer)
