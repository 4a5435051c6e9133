"""The outbox's file: its bounds, files that are refused, and rows that survive."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deragent.devices import Measurement
from deragent.outbox import FileLookup, Outbox, OutboxLimits
from deragent.outbox.outbox_file import (
    OutboxFile,
    OutboxFileDamagedError,
    OutboxFileError,
    set_aside,
)
from deragent.outbox.seq_spans import SPANS_WAITING, SeqSpan, SeqSpans
from derproto.der.v1 import OperatingState, QualityBit

ASSETS = ["00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"]
BOOT = 2**64 - 1
"""A row of the greatest size."""


def spill(store: OutboxFile, outbox: Outbox, rows: int) -> None:
    """Appends so many rows, and writes all rows of memory."""
    for number in range(rows):
        measured = Measurement(1.0, -0.5, 0.25, 229.9, 50.01, OperatingState.RUNNING)
        outbox.append(number % 2, 10**15 + number, measured, QualityBit.IMPLAUSIBLE, now_s=0.0)
    while (work := outbox.begin_work(1.0, everything=True)) is not None:
        outbox.finish_work(work, store.apply(work, outbox.limits))


def opened(folder: Path, limits: OutboxLimits | None = None) -> tuple[OutboxFile, Outbox]:
    store, outbox = OutboxFile(folder, BOOT, ASSETS), Outbox(BOOT, limits)
    outbox.attach(store.found.state, store.found.earlier)
    return store, outbox


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    store, outbox = opened(tmp_path)
    spill(store, outbox, 3)
    outbox.append(1, 5, Measurement(None, status=OperatingState.FAULT), now_s=0.0)
    spill(store, outbox, 0)
    rows = store.read(FileLookup(BOOT, 1, 100, 100))
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert rows[0].measurement == Measurement(1.0, -0.5, 0.25, 229.9, 50.01, OperatingState.RUNNING)
    assert (rows[1].asset_index, rows[1].ts_us) == (1, 10**15 + 1)
    assert rows[2].quality == QualityBit.IMPLAUSIBLE
    assert rows[3].measurement == Measurement(None, status=OperatingState.FAULT)
    store.close()


def test_the_file_keeps_to_its_bytes(tmp_path: Path) -> None:
    limits = OutboxLimits(memory_rows=10_000, file_mb=1)
    store, outbox = opened(tmp_path, limits)
    for _ in range(10):
        spill(store, outbox, 4000)
        assert (tmp_path / "outbox.db").stat().st_size <= 1.1 * 1_000_000
    assert outbox.file is not None
    assert outbox.file.rows + outbox.dropped_rows == 40_000
    # Not much less than there is room for.
    assert outbox.file.rows > 10_000
    gaps = outbox.gaps.take_unsaved().gaps or [outbox.gaps.take(), outbox.gaps.take()]
    assert sum(gap.rows for gap in gaps if gap is not None) == outbox.dropped_rows
    store.close()


def test_an_emptied_file_gives_its_room_back(tmp_path: Path) -> None:
    store, outbox = opened(tmp_path, OutboxLimits(memory_rows=10_000))
    for _ in range(10):
        spill(store, outbox, 4000)
    full = store._size()
    outbox.ack(BOOT, [(1, 40_000)], 1.0)
    spill(store, outbox, 0)
    for _ in range(10):
        spill(store, outbox, 1)
    store.close()
    assert (tmp_path / "outbox.db").stat().st_size < full / 2
    assert full > 2_000_000


@pytest.mark.parametrize(
    ("pragma", "reason"),
    [("application_id = 7", "not an outbox"), ("user_version = 99", "version is 99")],
)
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(
    tmp_path: Path, pragma: str, reason: str
) -> None:
    store, outbox = opened(tmp_path)
    spill(store, outbox, 10)
    store.close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        db.execute(f"PRAGMA {pragma}")
    with pytest.raises(OutboxFileDamagedError, match=reason):
        OutboxFile(tmp_path, BOOT, ASSETS)
    aside = set_aside(tmp_path)
    assert not (tmp_path / "outbox.db").exists()
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (10,)


def test_a_folder_that_is_gone_is_an_error_that_may_pass(tmp_path: Path) -> None:
    with pytest.raises(OutboxFileError):
        OutboxFile(tmp_path / "nowhere", BOOT, ASSETS)


def test_work_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    store, outbox = opened(tmp_path, OutboxLimits(memory_rows=100, file_rows=20))
    spill(store, outbox, 15)
    outbox.ack(BOOT, [(1, 3)], 0.0)
    outbox.refuse(BOOT, [(4, 4)])
    for number in range(30):
        outbox.append(0, number, Measurement(), now_s=0.0)
    work = outbox.begin_work(1.0, everything=True)
    assert work is not None
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        db.execute("BEGIN IMMEDIATE")
        store._db.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(OutboxFileError, match="locked"):
            store.apply(work, outbox.limits)
        db.rollback()
    outbox.fail_work(work)
    assert [row.seq for row in store.read(FileLookup(BOOT, 1, 100, 100))] == [*range(1, 16)]
    assert len(outbox) == 45
    spill(store, outbox, 0)
    assert [row.seq for row in store.read(FileLookup(BOOT, 1, 100, 100))] == [*range(26, 46)]
    assert (outbox.acked_rows, outbox.refused_rows, outbox.dropped_rows) == (3, 1, 21)
    store.close()


def test_spans_that_touch_merge_and_there_are_not_too_many() -> None:
    spans = SeqSpans()
    spans.add(SeqSpan(1, 1, 5))
    spans.add(SeqSpan(1, 6, 9))
    spans.add(SeqSpan(1, 3, 4))
    spans.add(SeqSpan(1, 4, 3))
    spans.add(SeqSpan(2, 10, 11))
    assert list(spans) == [SeqSpan(1, 1, 9), SeqSpan(2, 10, 11)]
    for number in range(2 * SPANS_WAITING):
        spans.add(SeqSpan(3, 2 * number, 2 * number))
    assert len(spans.take()) == SPANS_WAITING
    assert not spans


def test_junk_in_the_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes such a schema in its message, which Python then cannot decode."""
    store, _ = opened(tmp_path)
    store.close()
    path = tmp_path / "outbox.db"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE rows", b"CREATE TABL\xd8 rows"))
    with pytest.raises(OutboxFileDamagedError):
        OutboxFile(tmp_path, BOOT, ASSETS)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rows SET asset = 77 WHERE seq = 2",
        "UPDATE rows SET p_mw = 'text' WHERE seq = 2",
        "UPDATE rows SET status = 'text' WHERE seq = 2",
        "UPDATE rows SET quality = -1 WHERE seq = 2",
        "UPDATE rows SET ts_us = x'00' WHERE seq = 2",
        "UPDATE boots SET boot_id = 'text'",
        "INSERT INTO gaps VALUES ('1', 1, 1, 1, 'text', 1, 1, 1)",
        "DROP TABLE rows",
    ],
)
def test_a_readable_file_with_values_that_no_agent_writes_is_damaged(
    tmp_path: Path, damage: str
) -> None:
    store, outbox = opened(tmp_path)
    spill(store, outbox, 3)
    store.close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as con:
        con.executescript(damage)

    def read() -> None:
        again, _ = opened(tmp_path)
        with closing(again):
            again.read(FileLookup(BOOT, 1, 100, 100))

    with pytest.raises(OutboxFileDamagedError):
        read()
