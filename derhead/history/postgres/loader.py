"""The feed's session: one connection, and what is known of the database behind it.

Runs on the asyncio loop. A batch is one transaction, and may be repeated: it makes no difference
whether an interrupted commit succeeded.
"""

from collections.abc import Iterable, Sequence

import asyncpg

from derhead.history.postgres.days import day_of
from derhead.history.postgres.deleting import expire
from derhead.history.postgres.driver import PostgresConnection, transaction
from derhead.history.postgres.fed_database import Prepared, Stranger, Target
from derhead.history.postgres.inserts import (
    COPIED,
    INSERT_COPIED,
    INSERT_TELEMETRY,
    MAKE_COPIED,
    STATEMENTS,
    cleaned,
)
from derhead.history.postgres.last_state import LastState, fetch_last_state
from derhead.history.postgres.partitions import Partitions
from derhead.history.postgres.schema import put_fact
from derhead.history.spool.feed_batch import FeedBatch
from derhead.history.sql import row_types

COPY_ROWS = 500
"""Batches of at least so many rows of telemetry are copied into a temporary table and inserted from
there. This takes a third of the CPU here and is a quarter faster, but needs two more statements."""

CACHED_NUMBERS = 100_000
"""PostgreSQL's numbers of assets and boots in memory. When full, the cache starts empty."""


class Loader:
    """Writes to PostgreSQL over one connection; its memory ends with the connection."""

    def __init__(self, connection: PostgresConnection, prepared: Prepared) -> None:
        self.connection = connection
        self.prepared = prepared
        self.partitions = Partitions(connection)
        self._assets: dict[str, int] = {}
        self._boots: dict[tuple[str, str], int] = {}

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

    async def expire(self, cut_us: int) -> bool:
        """Deletes rows from before the cut; returns whether there may be more."""
        return await expire(self.connection, self.partitions, cut_us)

    async def last_state(self, now_us: int) -> LastState:
        """What a headend needs at its start, if its journal was lost."""
        return await fetch_last_state(self.connection, self.prepared, now_us)

    async def _load(self, batch: FeedBatch, target: Target) -> None:
        assets = await self._numbers_of_assets(batch.assets.values())
        boots = await self._numbers_of_boots(batch.boots.values())
        async with transaction(self.connection):
            for table, lines in (*batch.ordered, *batch.others.items()):
                await self.connection.executemany(STATEMENTS[table], cleaned(lines))
            if batch.telemetry_rows:
                columns = list(batch.columns)
                asset_of = {number: assets[_text(name)] for number, name in batch.assets.items()}
                boot_of = {
                    number: boots[_text(agent_id), boot_id]
                    for number, (agent_id, boot_id) in batch.boots.items()
                }
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

    async def _numbers_of_assets(self, names: Iterable[str]) -> dict[str, int]:
        wanted = set(map(_text, names))
        if not wanted <= self._assets.keys():
            if len(self._assets) > CACHED_NUMBERS:
                self._assets.clear()
            missing = sorted(wanted - self._assets.keys())
            # Outside the batch's transaction: the numbers stay in memory, so they must exist even
            # if the batch fails. Existing names are left out, because every conflict uses up a
            # number.
            await self.connection.execute(
                "INSERT INTO assets (asset_id) SELECT name FROM unnest($1::text[]) AS name"
                " WHERE NOT EXISTS (SELECT 1 FROM assets WHERE asset_id = name)"
                " ON CONFLICT DO NOTHING",
                missing,
            )
            found = await self.connection.fetch(
                "SELECT asset_id, id FROM assets WHERE asset_id = ANY($1::text[])", missing
            )
            self._assets.update((asset_id, number) for asset_id, number in found)
        return self._assets

    async def _numbers_of_boots(
        self, keys: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        wanted = {(_text(agent_id), boot_id) for agent_id, boot_id in keys}
        if not wanted <= self._boots.keys():
            if len(self._boots) > CACHED_NUMBERS:
                self._boots.clear()
            missing = sorted(wanted - self._boots.keys())
            columns = [agent_id for agent_id, _ in missing], [boot_id for _, boot_id in missing]
            await self.connection.execute(
                "INSERT INTO boots (agent_id, boot_id)"
                " SELECT * FROM unnest($1::text[], $2::text[]) AS given (agent_id, boot_id)"
                " WHERE NOT EXISTS (SELECT 1 FROM boots WHERE boots.agent_id = given.agent_id"
                " AND boots.boot_id = given.boot_id) ON CONFLICT DO NOTHING",
                *columns,
            )
            found = await self.connection.fetch(
                "SELECT agent_id, boot_id, id FROM boots WHERE (agent_id, boot_id) IN"
                " (SELECT * FROM unnest($1::text[], $2::text[]))",
                *columns,
            )
            for agent_id, boot_id, number in found:
                self._boots[agent_id, boot_id] = number
        return self._boots


_ASSET, _TS_US, _BOOT = map(row_types.TELEMETRY.index, ("asset", "ts_us", "boot"))


def _text(name: str) -> str:
    """The name as PostgreSQL stores it."""
    return name.replace("\0", "\ufffd")
