"""The feed's session: one connection, and what is known of the database behind it.

Runs on the asyncio loop. A batch is one transaction, and may be repeated: it makes no difference
whether an interrupted commit succeeded.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import asyncpg

from derhead.history.postgres.connections.driver import PostgresConnection, transaction
from derhead.history.postgres.tables.days import day_of
from derhead.history.postgres.tables.deleting import expire
from derhead.history.postgres.tables.fed_database import Prepared, Stranger, Target
from derhead.history.postgres.tables.inserts import (
    COPIED,
    INSERT_COPIED,
    INSERT_TELEMETRY,
    MAKE_COPIED,
    changes_of,
)
from derhead.history.postgres.tables.last_state import LastState, fetch_last_state
from derhead.history.postgres.tables.partitions import Partitions
from derhead.history.postgres.tables.schema import put_fact
from derhead.history.spool.feed_batch import FeedBatch
from derhead.history.sql import row_types
from derhead.history.sql.row_types import Row

COPY_ROWS = 500
"""Batches of at least so many rows of telemetry are copied into a temporary table and inserted from
there. This takes a third of the CPU here and is a quarter faster, but needs two more statements."""

CACHED_NUMBERS = 100_000
"""PostgreSQL's numbers of assets and boots in memory. When full, the cache starts empty."""


class Gate(Protocol):
    """Decides whether this headend may write to the database. Each raises StoreUnreachable if it
    may not."""

    async def enter(self, connection: PostgresConnection) -> None:
        """Before anything is written over a new connection."""

    async def sign(self, connection: PostgresConnection) -> None:
        """After the tables are up to date."""

    async def check(self, connection: PostgresConnection) -> None:
        """In each transaction that writes rows."""


class Loader:
    """Writes to PostgreSQL over one connection; its memory ends with the connection."""

    def __init__(
        self, connection: PostgresConnection, prepared: Prepared, gate: Gate | None = None
    ) -> None:
        self.connection = connection
        self.prepared = prepared
        self._gate = gate
        self.partitions = Partitions(connection)
        self._assets: dict[Row, int] = {}
        self._boots: dict[Row, int] = {}

    async def load(
        self, batch: FeedBatch, target: Target, now_us: int, keep_days: int
    ) -> Stranger | None:
        """Stores the whole batch, or nothing; None once it is committed.

        Stores nothing if the database is not the target, or if it lost earlier batches because a
        backup was restored or a standby was behind.
        """
        fed = self.prepared.fed.get(target.journal, 0)
        if (
            self.prepared.identity != target.identity
            or not target.number - 1 <= fed <= target.number
        ):
            return Stranger(self.prepared)
        days = set(map(day_of, batch.columns[_TS_US]))
        await self.partitions.ensure(days, now_us, keep_days)
        try:
            await self._load(batch, target)
        except asyncpg.CheckViolationError:
            # A row has no partition: somebody removed one since the last look.
            self.partitions.forget()
            await self.partitions.ensure(days, now_us, keep_days)
            await self._load(batch, target)
        self.prepared.fed[target.journal] = target.number
        return None

    async def expire(self, cut_us: int, audit_us: int) -> bool:
        """Deletes rows from before the cut; returns whether there may be more.

        ``audit_us``: the cut of the audit trail.
        """
        return await expire(self.connection, self.partitions, cut_us, audit_us)

    async def last_state(self, now_us: int, known: Sequence[str]) -> LastState:
        """What a headend needs at its start, if PostgreSQL knows more than its journal.

        ``known``: the dispatches that the journal has as open.
        """
        return await fetch_last_state(self.connection, self.prepared, now_us, known)

    async def _load(self, batch: FeedBatch, target: Target) -> None:
        asset_keys = {number: (_text(name),) for number, name in batch.assets.items()}
        boot_keys = {
            number: (_text(agent_id), boot_id)
            for number, (agent_id, boot_id) in batch.boots.items()
        }
        assets = await self._numbers("assets", ("asset_id",), self._assets, asset_keys.values())
        boots = await self._numbers(
            "boots", ("agent_id", "boot_id"), self._boots, boot_keys.values()
        )
        async with transaction(self.connection):
            if self._gate is not None:
                await self._gate.check(self.connection)
            for statement, lines in changes_of([*batch.ordered, *batch.others.items()]):
                await self.connection.executemany(statement, lines)
            if batch.telemetry_rows:
                columns = list(batch.columns)
                asset_of = {number: assets[key] for number, key in asset_keys.items()}
                boot_of = {number: boots[key] for number, key in boot_keys.items()}
                columns[_ASSET] = [asset_of[number] for number in columns[_ASSET]]
                columns[_BOOT] = [boot_of[number] for number in columns[_BOOT]]
                await self._insert_telemetry(columns)
            await put_fact(self.connection, f"fed:{target.journal}", str(target.number))

    async def _insert_telemetry(self, columns: Sequence[Sequence[object]]) -> None:
        if not self.prepared.may_copy or len(columns[0]) < COPY_ROWS:
            await self.connection.execute(INSERT_TELEMETRY, *columns)
            return
        await self.connection.execute(MAKE_COPIED)
        await self.connection.copy_records_to_table(
            COPIED, records=zip(*columns, strict=True), columns=row_types.TELEMETRY
        )
        await self.connection.execute(INSERT_COPIED)

    async def _numbers(
        self, table: str, columns: tuple[str, ...], known: dict[Row, int], keys: Iterable[Row]
    ) -> dict[Row, int]:
        """The numbers of at least these assets or boots, by the columns that name them."""
        wanted = set(keys)
        if not wanted <= known.keys():
            if len(known) > CACHED_NUMBERS:
                known.clear()
            missing = sorted(wanted - known.keys())
            names = ", ".join(columns)
            arrays = ", ".join(f"${n}::text[]" for n in range(1, len(columns) + 1))
            given = f"SELECT * FROM unnest({arrays}) AS given ({names})"
            same = " AND ".join(f"{table}.{name} = given.{name}" for name in columns)
            values = [list(column) for column in zip(*missing, strict=True)]
            # Outside the batch's transaction: the numbers stay in memory, so they must exist even
            # if the batch fails. Existing names are left out, because every conflict uses up a
            # number.
            await self.connection.execute(
                f"INSERT INTO {table} ({names}) {given}"
                f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same}) ON CONFLICT DO NOTHING",
                *values,
            )
            found = await self.connection.fetch(
                f"SELECT {names}, id FROM {table} WHERE ({names}) IN ({given})", *values
            )
            known.update((tuple(row), number) for *row, number in found)
        return known


_ASSET, _TS_US, _BOOT = map(row_types.TELEMETRY.index, ("asset", "ts_us", "boot"))


def _text(name: str) -> str:
    """The name as PostgreSQL stores it."""
    return name.replace("\0", "\ufffd")
