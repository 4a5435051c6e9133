"""Reads both stores without the headend: SQLite from its file, PostgreSQL through ``psql``."""

import json
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.support.processes.postgres import Database
from tests.torture.audit import Gap, Stored

TELEMETRY = (
    "SELECT a.asset_id, t.ts_us, b.agent_id, b.boot_id, t.seq, t.received_us, t.p_mw, t.q_mvar,"
    " t.soc, t.voltage_v, t.frequency_hz, t.status, t.quality, t.setpoint_mw"
    " FROM telemetry t JOIN assets a ON a.id = t.asset JOIN boots b ON b.id = t.boot"
)
"""Without the surrogate keys, which each engine draws for itself."""

RECORDS = {
    "telemetry": TELEMETRY,
    "dispatches": "SELECT * FROM dispatches",
    "dispatch_states": "SELECT * FROM dispatch_states",
    "idempotency_keys": "SELECT * FROM idempotency_keys",
    "sessions": "SELECT * FROM sessions",
    "heartbeats": "SELECT * FROM heartbeats",
    "gaps": "SELECT * FROM gaps",
}
"""The queries whose rows must be equal in both stores."""

Row = dict[str, Any]


def in_postgres(database: Database, query: str) -> list[Row]:
    """A query's rows. JSON carries doubles whole, and keeps NULL apart from empty text."""
    text = database.sql(f"SELECT row_to_json(r) FROM ({query}) r")
    return [json.loads(line) for line in text.splitlines()]


def in_journal(path: Path, query: str) -> list[Row]:
    con = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        con.row_factory = sqlite3.Row
        return [dict(row) for row in con.execute(query)]
    finally:
        con.close()


def differences(name: str, ours: list[Row], theirs: list[Row]) -> list[str]:
    """The first few rows that only one of the two stores holds."""
    here, there = (
        {json.dumps(_plain(row), sort_keys=True) for row in rows} for rows in (ours, theirs)
    )
    wrong = [f"{name}: only in the journal: {row}" for row in sorted(here - there)[:5]]
    wrong += [f"{name}: only in PostgreSQL: {row}" for row in sorted(there - here)[:5]]
    if len(ours) != len(theirs):
        wrong.append(f"{name}: {len(ours)} rows in the journal, {len(theirs)} in PostgreSQL")
    return wrong


def samples(rows: list[Row]) -> dict[str, list[Stored]]:
    """Rows of ``TELEMETRY``, by asset."""
    found: dict[str, list[Stored]] = defaultdict(list)
    for row in rows:
        found[row["asset_id"]].append(
            Stored(
                ts_us=row["ts_us"],
                agent_id=row["agent_id"],
                boot_id=row["boot_id"],
                seq=row["seq"],
                p_mw=row["p_mw"],
                frequency_hz=row["frequency_hz"],
                quality=row["quality"],
            )
        )
    return found


GAPS = "SELECT * FROM gaps WHERE cause <> 'none'"
"""Without the gaps that the ledger took back."""


def gaps(rows: list[Row]) -> dict[str, list[Gap]]:
    """Rows of the ledger, by asset."""
    found: dict[str, list[Gap]] = defaultdict(list)
    for row in rows:
        gap = Gap(
            start_us=row["start_us"],
            end_us=row["end_us"],
            cause=row["cause"],
            backfilled=bool(row["backfilled"]),
            filled_us=row["filled_us"],
        )
        found[row["asset_id"]].append(gap)
    return found


def _plain(row: Row) -> Row:
    """The row with every number as a double: engines write whole numbers in different ways."""
    return {
        key: float(value) if isinstance(value, int | float) and abs(value) < 2**53 else value
        for key, value in row.items()
    }
