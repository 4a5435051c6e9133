"""The reading connection: what takes too long is broken off, and the next question is answered."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from derhead.errors import JournalError
from derhead.history import open_journal, reader
from derproto.base.runtime import real_runtime
from tests.unit.history.samples import sample


def never_ends(con: sqlite3.Connection) -> list[object]:
    return con.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    ).fetchall()


async def test_a_question_without_end_is_broken_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOKS", 3)
    async with open_journal(path, real_runtime(), synchronous="OFF") as journal:
        await journal.append_telemetry([sample(1)], lambda: None)
        for _ in range(2):
            with pytest.raises(JournalError, match="interrupted"):
                await journal.look(never_ends)
            assert await journal.telemetry_history("nobody", limit=1)


async def test_ten_years_of_nothing_cost_two_statements(path: Path) -> None:
    ten_years_us = 10 * 365 * 86_400_000_000
    async with open_journal(path, real_runtime(), synchronous="OFF") as journal:
        asked: list[str] = []
        await journal.look(lambda con: con.set_trace_callback(asked.append))
        span: dict[str, Any] = {"from_us": -ten_years_us, "to_us": ten_years_us, "limit": 1000}
        await journal.telemetry_history("asset-1", **span)
        await journal.telemetry_buckets("asset-1", step_us=1_000_000, **span)
        await journal.look(lambda con: con.set_trace_callback(None))
    assert len(asked) == 2
