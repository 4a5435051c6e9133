"""The same records in a journal, in PostgreSQL, and divided between the two at any time."""

import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from derhead.audit import AuditRecord
from derhead.dispatch import Dispatch, DispatchGroup
from derhead.gaps import GapRecord
from derhead.history.file import facts
from derhead.history.file.schema import JournalFiles
from derhead.history.postgres.archive import Archive
from derhead.history.postgres.database import Postgres
from derhead.history.queries.query_connection import QueryConnection
from derhead.history.queries.reader import Reader
from derhead.history.sql import mapping, row_types
from derhead.history.sql.histories import Histories
from derhead.history.union.combined import History
from derhead.history.writing.record_store import Group, Record, Store
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample
from derproto.base.runtime import real_runtime

TABLES = (
    "telemetry, boots, assets, dispatches, dispatch_states, dispatch_groups, sessions, heartbeats,"
    " gaps, audit, service_levels"
)


@dataclass
class Records:
    """The records of a store."""

    samples: Sequence[Sample] = ()
    records: Sequence[Record] = ()


@contextmanager
def journal_of(
    kept: Records, horizon_us: int | None = None, whole: str | None = None
) -> Iterator[Reader]:
    """A journal with these records, and with facts about how whole they are."""
    with tempfile.TemporaryDirectory() as folder:
        files = JournalFiles(Path(folder) / "journal.db", "OFF")
        try:
            Store(files.writer).commit(
                Group(batches=(list(kept.samples),), writes=(tuple(kept.records),))
            )
            if horizon_us is not None:
                for fact in (
                    facts.TELEMETRY_FROM_US,
                    facts.HEARTBEATS_FROM_US,
                    facts.RECORDS_FROM_US,
                    facts.AUDIT_FROM_US,
                    facts.LEVELS_FROM_US,
                ):
                    facts.put(files.writer, fact, horizon_us)
            facts.put(files.writer, facts.TELEMETRY_WHOLE, whole)
            connection = QueryConnection(files.reader, real_runtime())
            yield Reader(connection, connection)
        finally:
            files.close()


async def fill(port: Postgres, kept: Records) -> None:
    """PostgreSQL with exactly these records."""
    await port.fetch(f"TRUNCATE {TABLES} RESTART IDENTITY")
    # In reverse, so that its small integers differ from the journal's.
    samples = list(kept.samples)[::-1]
    await _insert(port, "assets", ("asset_id",), {(s.asset_id,) for s in samples})
    boots = {(s.agent_id, str(s.boot_id)) for s in samples}
    await _insert(port, "boots", ("agent_id", "boot_id"), boots)
    assets: dict[str, int] = dict(await port.fetch("SELECT asset_id, id FROM assets"))
    numbers = {
        (agent_id, int(boot_id)): number
        for agent_id, boot_id, number in await port.fetch("SELECT agent_id, boot_id, id FROM boots")
    }
    await _insert(
        port, "telemetry", row_types.TELEMETRY, mapping.telemetry_rows(samples, assets, numbers)
    )
    for record in kept.records:
        match record:
            case Dispatch():
                await _insert(
                    port, "dispatches", row_types.DISPATCHES, [mapping.dispatch_row(record)]
                )
                states = mapping.state_rows(record)
                await _insert(port, "dispatch_states", row_types.DISPATCH_STATES, states)
            case DispatchGroup():
                await _insert(
                    port, "dispatch_groups", row_types.GROUPS, [mapping.group_row(record)]
                )
            case SessionRecord():
                await _insert(port, "sessions", row_types.SESSIONS, [mapping.session_row(record)])
            case HeartbeatRecord():
                await _insert(
                    port, "heartbeats", row_types.HEARTBEATS, [mapping.heartbeat_row(record)]
                )
            case AuditRecord():
                await _insert(port, "audit", row_types.AUDIT, [mapping.audit_row(record)])
            case GapRecord():
                await _insert(port, "gaps", row_types.GAPS, [mapping.gap_row(record)])
            case LevelHour():
                await _insert(port, "service_levels", row_types.LEVELS, [mapping.level_row(record)])
            case _:
                raise AssertionError(record)


async def _insert(
    port: Postgres, table: str, columns: Sequence[str], values: Iterable[row_types.Row]
) -> None:
    items = [dict(zip(columns, row, strict=True)) for row in values]
    names = ", ".join(columns)
    await port.fetch(
        f"INSERT INTO {table} ({names}) SELECT {names}"
        f" FROM json_populate_recordset(null::{table}, $1)",
        json.dumps(items).replace("Infinity", '"Infinity"').replace('-"Inf', '"-Inf'),
    )


@asynccontextmanager
async def union_of(
    port: Postgres,
    journal: Records,
    archive: Records,
    horizon_us: int | None,
    whole: str | None = None,
) -> AsyncIterator[Histories]:
    """Both stores as one."""
    await fill(port, archive)
    with journal_of(journal, horizon_us, whole) as reader:
        yield History(reader, Archive(port))
