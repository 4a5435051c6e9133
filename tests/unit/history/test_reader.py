"""The reading connections: a long query is interrupted, and an order waits for no history."""

import sqlite3
import threading
from pathlib import Path

import pytest
import trio

from derhead.dispatch import UsedKey
from derhead.errors import JournalError
from derhead.history import open_journal
from derhead.history.queries import query_connection
from derhead.history.sql.listings import HorizonKind
from derhead.history.sql.page_request import PageRequest, TimeRange
from derproto.base.runtime import real_runtime
from tests.support.history.records import dispatch, sample


def never_ends(con: sqlite3.Connection) -> list[object]:
    return con.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    ).fetchall()


async def test_an_endless_query_is_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_connection, "LOOKS", 3)
    async with open_journal(path, real_runtime(), synchronous="OFF") as journal:
        await journal.append_telemetry([sample(1)], lambda: None)
        for _ in range(2):
            with pytest.raises(JournalError, match="interrupted"):
                await journal.inspect(never_ends)
            assert await journal.telemetry_history("nobody", PageRequest(1))


async def test_ten_empty_years_cost_two_statements(path: Path) -> None:
    ten_years_us = 10 * 365 * 86_400_000_000
    async with open_journal(path, real_runtime(), synchronous="OFF") as journal:
        asked: list[str] = []
        await journal.inspect(lambda con: con.set_trace_callback(asked.append))
        page = PageRequest(1000, TimeRange(-ten_years_us, ten_years_us))
        await journal.telemetry_history("asset-1", page)
        await journal.telemetry_buckets("asset-1", page, step_us=1_000_000)
        await journal.inspect(lambda con: con.set_trace_callback(None))
    assert len(asked) == 2


async def test_an_order_waits_for_no_history(path: Path) -> None:
    may_end = threading.Event()
    began = threading.Event()

    def long_history(con: sqlite3.Connection) -> None:
        began.set()
        may_end.wait()

    async with open_journal(path, real_runtime(), synchronous="OFF") as journal:
        await journal.write(dispatch("d"), UsedKey("key", "print", "dispatch", "d", 1))
        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(journal.inspect, long_history)
            await trio.to_thread.run_sync(began.wait)
            try:
                # The first history does not end, and 299 wait for it: whoever waited here would
                # wait for ever.
                with trio.fail_after(60):
                    assert await journal.dispatch("d") is not None
                    assert await journal.used_key("key") is not None
                    assert await journal.count_keys() == 1
                    assert await journal.group("none") is None
                    assert await journal.find_group("none") == (None, [], None)
                    assert await journal.horizon(HorizonKind.RECORDS) is None
            finally:
                may_end.set()
