"""kill -9 in the middle of writing: acknowledged records survive."""

from pathlib import Path

from derhead.history.file.schema import JournalFiles
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest
from tests.support.history.pages import page_of
from tests.support.processes.killed import lines_before_kill

WRITER = """
import sys
from pathlib import Path
import trio
from derhead.history import Journal, open_journal
from derproto.base.runtime import real_runtime
from tests.support.history.records import dispatch, sample

def say(*words):
    print(*words, flush=True)

async def append(journal):
    for first in range(1, 10_000_000, 100):
        rows = [sample(first + n) for n in range(100)]
        await journal.append_telemetry(rows, lambda first=first: say("rows", first, first + 99))

async def order(journal):
    for n in range(10_000_000):
        await journal.write(dispatch(f"d-{n}"))
        say("dispatch", f"d-{n}")

async def main():
    async with open_journal(Path(sys.argv[1]), real_runtime(), group_ms=5) as journal:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append, journal)
            nursery.start_soon(order, journal)

trio.run(main)
"""
LINES_BEFORE_KILL = 300


def test_acknowledged_records_survive_a_kill(path: Path) -> None:
    words = [line.split() for line in lines_before_kill(WRITER, path, LINES_BEFORE_KILL)]
    assert len(words) >= LINES_BEFORE_KILL
    files = JournalFiles(path, "FULL")
    try:
        rows = page_of(files.reader, listings.telemetry("asset-1", PageRequest(10_000_000)))
        dispatches = page_of(files.reader, listings.dispatches(PageRequest(10_000_000)))
        check = files.reader.execute("PRAGMA integrity_check").fetchone()
    finally:
        files.close()
    assert check == ("ok",)
    promised_rows = {
        seq
        for kind, *rest in words
        if kind == "rows"
        for seq in range(int(rest[0]), int(rest[1]) + 1)
    }
    promised_dispatches = {rest[0] for kind, *rest in words if kind == "dispatch"}
    assert promised_rows
    assert promised_dispatches
    assert promised_rows <= {each.seq for each in rows.items}
    assert promised_dispatches <= {each.id for each in dispatches.items}
