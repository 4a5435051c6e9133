"""Telemetry's partitions, one a day: made when they are needed, dropped when they are old.

Runs on the asyncio loop. A new partition is made beside the table, takes the rows of its day from
the default partition, and is then attached. Queries wait only for the moment of attaching.
"""

from collections.abc import Iterable

import asyncpg

from derhead.history.postgres.connections.driver import PostgresConnection, transaction
from derhead.history.postgres.tables.days import (
    DAY_US,
    day_of,
    free_name,
    partition_name,
    read_bound,
    wanted,
)
from derproto.stdio.log_events import event_log

log = event_log(__name__)

LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"
"""How long a change of partitions waits for readers of the table; queries wait behind it."""

LOOK_US = 60_000_000
"""Time between two looks at the existing partitions. If somebody dropped one, its rows go to the
default partition until then."""

DEFAULT = "telemetry_default"

_ATTACHED = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'telemetry'::regclass"
    " AND NOT i.inhdetachpending"
)


class Partitions:
    """The partitions that this connection knows."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._days: set[int] | None = None
        self._looked_us = self._again_us = 0

    def forget(self) -> None:
        """Makes the next ``ensure`` look at the partitions again."""
        self._days = None

    async def ensure(self, days: Iterable[int], now_us: int, keep_days: int) -> None:
        """Makes the missing partitions for rows of these days, and for the days ahead.

        If somebody holds the table, it tries again after a minute: the default partition takes all
        rows meanwhile.
        """
        if self._days is None or not 0 <= now_us - self._looked_us < LOOK_US:
            await self._look()
            self._looked_us = now_us
        assert self._days is not None
        if now_us < self._again_us:
            return
        for day in sorted(wanted(days, now_us, keep_days) - self._days):
            try:
                await self._make(day)
            except asyncpg.LockNotAvailableError:
                log.warning(
                    "a program, perhaps a backup, locks telemetry in PostgreSQL: the partition of "
                    "a day is made later; until then its rows lie in the default partition"
                )
                self._again_us = now_us + LOOK_US
                return
            self._days.add(day)

    async def drop_before(self, cut_us: int) -> list[str]:
        """Drops the partitions that end at that time or before; returns their names."""
        old = [
            name
            for name, text in await self._connection.fetch(_ATTACHED)
            if (bound := read_bound(text)) is not None and bound[1] <= cut_us
        ]
        for name in sorted(old):
            async with transaction(self._connection):
                await self._connection.execute(LOCK_TIMEOUT)
                await self._connection.execute(f"DROP TABLE {_quoted(name)}")
            self.forget()
        return old

    async def _look(self) -> None:
        attached = await self._connection.fetch(_ATTACHED)
        if not any(read_bound(text) is None for _, text in attached):
            async with transaction(self._connection):
                await self._connection.execute(LOCK_TIMEOUT)
                name = free_name(DEFAULT, await self._tables(DEFAULT))
                await self._connection.execute(
                    f"CREATE TABLE {name} PARTITION OF telemetry DEFAULT"
                )
            log.warning(
                "PostgreSQL had no default partition of telemetry: the headend has made one"
            )
        self._days = {
            day
            for _, text in attached
            if (bound := read_bound(text)) is not None
            for day in range(day_of(bound[0]), day_of(bound[1]))
        }

    async def _make(self, day: int) -> None:
        from_us, to_us = day * DAY_US, (day + 1) * DAY_US
        async with transaction(self._connection):
            await self._connection.execute(LOCK_TIMEOUT)
            plain = partition_name(day)
            name = free_name(plain, await self._tables(plain))
            default = await self.default()
            await self._connection.execute(
                f"CREATE TABLE {name} (LIKE telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                f" PRIMARY KEY (asset, ts_us, boot, seq),"
                f" CONSTRAINT of_its_day CHECK (ts_us >= {from_us} AND ts_us < {to_us}))"
            )
            if default is not None:
                await self._connection.execute(
                    f"WITH moved AS (DELETE FROM {default}"
                    f" WHERE ts_us >= {from_us} AND ts_us < {to_us} RETURNING *)"
                    f" INSERT INTO {name} SELECT * FROM moved"
                )
            await self._connection.execute(
                f"ALTER TABLE telemetry ATTACH PARTITION {name}"
                f" FOR VALUES FROM ({from_us}) TO ({to_us})"
            )
            await self._connection.execute(f"ALTER TABLE {name} DROP CONSTRAINT of_its_day")

    async def default(self) -> str | None:
        """The quoted name of the default partition; None if somebody removed it."""
        found = await self._connection.fetch(_ATTACHED)
        return next((_quoted(name) for name, text in found if read_bound(text) is None), None)

    async def _tables(self, name: str) -> list[str]:
        """Tables in telemetry's schema with this name, or with a name that begins with it."""
        found = await self._connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace ="
            " (SELECT relnamespace FROM pg_class WHERE oid = 'telemetry'::regclass)"
            " AND (relname = $1 OR starts_with(relname, $1 || '_'))",
            name,
        )
        return [str(each) for (each,) in found]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
