"""PostgreSQL's telemetry table alone: how fast one connection inserts the same rows.

The headend's own schema, with today's partition, and batches like the feed's; none of its code,
so that it stays the measure when the feed changes.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from bare_sqlite import Row, batches

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "derhead/history/postgres/migrations"

COLUMNS = {
    "asset": "int",
    "ts_us": "bigint",
    "boot": "int",
    "seq": "bigint",
    "received_us": "bigint",
    "p_mw": "float8",
    "q_mvar": "float8",
    "soc": "float8",
    "voltage_v": "float8",
    "frequency_hz": "float8",
    "status": "bigint",
    "quality": "bigint",
    "setpoint_mw": "float8",
}
"""In the order of ``bare_sqlite.Row``."""

UNNEST = (
    f"INSERT INTO telemetry ({', '.join(COLUMNS)}) SELECT * FROM unnest("
    + ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(COLUMNS.values(), 1))
    + ") ON CONFLICT DO NOTHING"
)

DAY_US = 86_400_000_000


async def make_table(con: asyncpg.Connection) -> None:
    """The headend's tables, and a partition for today and the day after."""
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        await con.execute(migration.read_text())
    today_us = time.time_ns() // 1000 // DAY_US * DAY_US
    await con.execute(
        "CREATE TABLE bare_days PARTITION OF telemetry "
        f"FOR VALUES FROM ({today_us}) TO ({today_us + 2 * DAY_US})"
    )


async def insert(con: asyncpg.Connection, how: str, batch: Sequence[Row]) -> None:
    """One batch, one transaction; durable when it returns."""
    if how == "copy":
        await con.copy_records_to_table("telemetry", records=batch, columns=list(COLUMNS))
    else:
        await con.execute(UNNEST, *map(list, zip(*batch, strict=True)))


async def run(dsn: str, how: str, seconds: float) -> None:
    """Inserts for a time, and prints the durable rows a second."""
    con = await asyncpg.connect(dsn)
    await make_table(con)
    rows, inserting_s = 0, 0.0
    for batch in batches(sessions=50, assets_each=20, rows_a_message=50):
        began_s = time.monotonic()
        await insert(con, how, batch)
        # The time to make up the rows does not count.
        inserting_s += time.monotonic() - began_s
        rows += len(batch)
        if inserting_s >= seconds:
            break
    await con.close()
    print(json.dumps({"rows": rows, "seconds": inserting_s}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--how", choices=("copy", "unnest"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(run(options.dsn, options.how, options.seconds))
