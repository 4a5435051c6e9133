"""A journal with a spool, a database and a feed, and the rows that both stores hold."""

import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from derhead.dsn import read_dsn
from derhead.gaps import GapRecord, HoleCause
from derhead.history import Journal, open_journal
from derhead.history.feed.feeder import Feed
from derhead.history.postgres.database import Postgres
from derhead.telemetry import Sample
from derproto.base.runtime import Runtime, real_runtime
from tests.support.epoch import S
from tests.support.history.records import sample
from tests.support.processes.postgres import Database
from tests.support.waiting import PATIENCE_S

Rows = list[tuple[Any, ...]]

TELEMETRY = (
    "SELECT a.asset_id, t.ts_us, b.agent_id, b.boot_id, t.seq, t.received_us, t.p_mw, t.q_mvar,"
    " t.soc, t.voltage_v, t.frequency_hz, t.status, t.quality, t.setpoint_mw FROM telemetry t"
    " JOIN assets a ON a.id = t.asset JOIN boots b ON b.id = t.boot ORDER BY 1, 2, 3, 4, 5"
)
RECORDS = (
    "dispatches",
    "dispatch_states",
    "dispatch_groups",
    "idempotency_keys",
    "sessions",
    "heartbeats",
    "gaps",
    "audit",
    "service_levels",
)


NOW_US = 1_795_000_000 * S


def some(first: int, count: int, asset: str = "asset-1") -> list[Sample]:
    """So many samples, a second apart, numbered from the first on."""
    return [sample(n, asset=asset, ts_us=NOW_US + n * S) for n in range(first, first + count)]


def gap(name: str, start_us: int, end_us: int | None, revision: int = 1) -> GapRecord:
    """A gap of asset-1."""
    return GapRecord(
        id=name,
        asset_id="asset-1",
        agent_id="agent-1",
        start_us=start_us,
        end_us=end_us,
        cause=HoleCause.LINK,
        rows=None,
        backfilled=False,
        filled_us=None,
        revision=revision,
        noticed_us=start_us,
    )


@dataclass
class World:
    """A headend's history, open."""

    journal: Journal
    postgres: Postgres
    feed: Feed
    wall_us: Callable[[], int]

    async def telemetry(self, samples: list[Sample]) -> None:
        """Returns once the journal has stored them."""
        durable = trio.Event()
        await self.journal.append_telemetry(samples, durable.set)
        await durable.wait()

    async def settled(self) -> None:
        """Returns once nothing waits in the spool and the walk is over."""
        await self.until(lambda feed: not feed.lag_rows and not feed.walking)

    async def until(self, check: Callable[[Any], object]) -> None:
        """Returns once the feed's statistics satisfy the check."""
        with trio.fail_after(PATIENCE_S):
            while True:
                if check(self.feed.statistics()):
                    return
                await trio.sleep(0.02)


@asynccontextmanager
async def open_world(
    folder: Path,
    dsn: str,
    *,
    runtime: Runtime | None = None,
    keep_days: int = 400,
    catch_up_rows_s: float = 1e9,
    password_file: Path | None = None,
    feeding: bool = True,
) -> AsyncIterator[World]:
    runtime = runtime or real_runtime()
    rng = random.Random(1)
    async with open_journal(
        folder / "journal.db", runtime, synchronous="OFF", group_ms=10, spooling=True
    ) as journal:
        postgres = Postgres(read_dsn(dsn), runtime, rng, password_file=password_file)
        feed = Feed(
            journal, postgres, runtime, rng, keep_days=keep_days, catch_up_rows_s=catch_up_rows_s
        )
        async with trio.open_nursery() as services:
            await services.start(postgres.run)
            if feeding:
                services.start_soon(feed.run)
            yield World(journal, postgres, feed, runtime.wall_us)
            services.cancel_scope.cancel()


def in_journal(folder: Path, query: str) -> Rows:
    con = sqlite3.connect(folder / "journal.db")
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()


def in_postgres(database: Database, query: str) -> Rows:
    """Rows through the server's own client, as JSON: integers, floats and text unchanged."""
    found = database.sql(f"SELECT json_agg(row_to_json(found)) FROM ({query}) AS found")
    return [tuple(row.values()) for row in json.loads(found)] if found else []


def assert_equal(folder: Path, database: Database) -> None:
    """Both stores hold the same."""
    assert in_postgres(database, TELEMETRY) == in_journal(folder, TELEMETRY)
    for table in RECORDS:
        columns = ", ".join(
            row[1] for row in in_journal(folder, f"SELECT * FROM pragma_table_info('{table}')")
        )
        query = f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3"
        assert in_postgres(database, query) == in_journal(folder, query), table
