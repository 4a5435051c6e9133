"""The journal's INSERT statements: many rows each, and what happens to a row that exists."""

import sqlite3
from collections.abc import Iterable
from itertools import chain, islice

from derhead.history.sql import row_types

MAX_PARAMETERS = 32_766
"""SQLite's default limit on the parameters of one statement."""

ROWS_A_STATEMENT = (500, 100, 20, 4, 1)
"""Sizes of the statements that a batch is cut into. There are few sizes, so each statement is
compiled once and stays in the connection's cache, which saves a tenth of a row's cost. They are
large, because each statement hands over the interpreter."""


class Insert:
    """One table's multi-row INSERT."""

    def __init__(self, table: str, columns: tuple[str, ...], on_conflict: str) -> None:
        self.table = table
        row = f"({','.join('?' * len(columns))})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        self._statements = [
            (size, f"{head}{','.join([row] * size)} ON CONFLICT {on_conflict}")
            for size in ROWS_A_STATEMENT
        ]

    def execute(self, con: sqlite3.Connection, values: Iterable[row_types.Row]) -> int:
        """Returns how many rows it inserted or changed."""
        changed = 0
        remaining = iter(values)
        while chunk := list(islice(remaining, ROWS_A_STATEMENT[0])):
            start = 0
            for size, statement in self._statements:
                while len(chunk) - start >= size:
                    piece = chunk[start : start + size]
                    changed += con.execute(statement, list(chain.from_iterable(piece))).rowcount
                    start += size
        return changed


def _replacing(columns: tuple[str, ...], *key: str) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"({', '.join(key)}) DO UPDATE SET {changes}"


TELEMETRY = Insert("telemetry", row_types.TELEMETRY, "(asset, ts_us, boot, seq) DO NOTHING")
DISPATCHES = Insert("dispatches", row_types.DISPATCHES, _replacing(row_types.DISPATCHES, "id"))
DISPATCH_STATES = Insert(
    "dispatch_states",
    row_types.DISPATCH_STATES,
    _replacing(row_types.DISPATCH_STATES, "dispatch_id", "n"),
)
GROUPS = Insert("dispatch_groups", row_types.GROUPS, _replacing(row_types.GROUPS, "id"))
USED_KEYS = Insert("idempotency_keys", row_types.USED_KEYS, _replacing(row_types.USED_KEYS, "key"))
# A note may be stored after a later write, so a stored end stays.
SESSIONS = Insert(
    "sessions",
    row_types.SESSIONS,
    "(session_id) DO UPDATE SET"
    " ended_us = coalesce(excluded.ended_us, sessions.ended_us),"
    " end_reason = coalesce(excluded.end_reason, sessions.end_reason),"
    " messages = max(excluded.messages, sessions.messages),"
    " samples = max(excluded.samples, sessions.samples)",
)
HEARTBEATS = Insert("heartbeats", row_types.HEARTBEATS, "(agent_id, received_us, ts_us) DO NOTHING")
# The newer record of a gap stays, whatever the order of arrival.
GAPS = Insert(
    "gaps",
    row_types.GAPS,
    _replacing(row_types.GAPS[:-1], "id") + " WHERE excluded.revision >= gaps.revision",
)
ASSETS = Insert("assets", ("asset_id",), "(asset_id) DO NOTHING")
BOOTS = Insert("boots", ("agent_id", "boot_id"), "(agent_id, boot_id) DO NOTHING")
