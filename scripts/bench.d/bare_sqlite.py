"""The journal's telemetry table alone: how fast SQLite inserts the same rows.

Schema, pragmas, batches and file are the journal's. The code is not, so that this measure stays
the same when the journal's code changes.
"""

import argparse
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from derhead.history.file.schema import JournalFiles
from derhead.history.journal.embedded import BATCH_ROWS

COLUMNS = (
    *("asset", "ts_us", "boot", "seq", "received_us", "p_mw", "q_mvar", "soc"),
    *("voltage_v", "frequency_hz", "status", "quality", "setpoint_mw"),
)
Row = tuple[int | float | None, ...]

ROWS_A_STATEMENT = 2_500
"""As many as SQLite's 32,766 parameters a statement allow."""


class BareTable:
    """Inserts rows, one durable transaction a call."""

    def __init__(self, folder: Path) -> None:
        self._files = JournalFiles(folder / "journal.db", "FULL")
        self._con: sqlite3.Connection = self._files.writer

    def insert(self, rows: Sequence[Row]) -> None:
        self._con.execute("BEGIN IMMEDIATE")
        for first in range(0, len(rows), ROWS_A_STATEMENT):
            chunk = rows[first : first + ROWS_A_STATEMENT]
            self._con.execute(_statement(len(chunk)), list(itertools.chain.from_iterable(chunk)))
        self._con.execute("COMMIT")

    def close(self) -> None:
        self._files.close()


def _statement(rows: int) -> str:
    marks = ",".join([f"({','.join('?' * len(COLUMNS))})"] * rows)
    return f"INSERT INTO telemetry ({', '.join(COLUMNS)}) VALUES {marks}"


def batches(sessions: int, assets_each: int, rows_a_message: int) -> Iterator[list[Row]]:
    """The rows that the load generator's agents send in turn, in batches like the journal's."""
    now_us = time.time_ns() // 1000
    batch: list[Row] = []
    for message in itertools.count():
        session, seq = message % sessions, message // sessions * rows_a_message + 1
        for row in range(rows_a_message):
            asset = session * assets_each + (seq + row) % assets_each
            ts_us = now_us + message * 1000 + row
            step = row % 16
            values = (0.1 * step - 0.8, 0.05 + 0.01 * step, 0.4 + 0.01 * step, 229 + 0.1 * step)
            batch.append(
                (asset, ts_us, session, seq + row, ts_us, *values, 49.99 + 0.001 * step, 4, 0, None)
            )
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []


def main() -> None:
    """Inserts for a time, and prints the durable rows a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    table = BareTable(options.data)
    rows, inserting_s = 0, 0.0
    for batch in batches(sessions=50, assets_each=20, rows_a_message=50):
        began_s = time.monotonic()
        table.insert(batch)
        # The time to make up the rows does not count.
        inserting_s += time.monotonic() - began_s
        rows += len(batch)
        if inserting_s >= options.seconds:
            break
    table.close()
    print(json.dumps({"rows": rows, "seconds": inserting_s}), flush=True)


if __name__ == "__main__":
    main()
