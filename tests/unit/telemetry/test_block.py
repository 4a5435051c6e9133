"""A block of rows equals its samples, in memory and in the journal."""

import math
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.history import open_journal
from derhead.history.sql.page_request import PageRequest
from derhead.telemetry import LatestTable, SampleBlock, offer_block
from derproto.base.runtime import virtual_runtime
from derproto.codec import TelemetryColumns
from derproto.der.v1 import QualityBit
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0

ASSETS = {number: make_asset(numbered_id(number)) for number in (0, 2)}


def block(rows: list[int] | None = None, **changes: object) -> SampleBlock:
    columns = TelemetryColumns(
        boot_id=7,
        first_seq=10,
        asset_index=[0, 2, 1, 0],
        ts_us=[T0, T0 + 1, T0 + 2, T0 + 3],
        p_mw=[1.0, math.nan, 3.0, -9.0],
        soc=[0.5, 1.5, 0.0, 0.25],
        status=[4, 4, 4, 5],
    )
    for name, value in changes.items():
        setattr(columns, name, value)
    return SampleBlock(
        columns,
        [0, 1, 3] if rows is None else rows,
        agent_id="x",
        assets=ASSETS,
        received_us=T0 + 5,
        setpoints_mw={ASSETS[2].id: -1.5},
    )


def test_a_block_has_the_samples_of_the_rows_taken() -> None:
    samples = list(block())
    assert len(block()) == 3
    assert [s.seq for s in samples] == [10, 11, 13]
    assert [s.asset_id for s in samples] == [ASSETS[0].id, ASSETS[2].id, ASSETS[0].id]
    assert [s.p_mw for s in samples] == [1.0, None, -9.0]
    assert [s.soc for s in samples] == [0.5, 1.5, 0.25]
    assert [s.voltage_v for s in samples] == [None] * 3
    assert [s.setpoint_mw for s in samples] == [None, -1.5, None]
    implausible = QualityBit.IMPLAUSIBLE
    assert [s.quality for s in samples] == [0, implausible, implausible]
    assert block()[-1] == samples[-1]
    assert block()[1:] == samples[1:]


def test_the_latest_table_takes_newer_rows() -> None:
    latest = LatestTable()
    slots = {index: latest.slot(asset.id) for index, asset in ASSETS.items()}
    offer_block(slots, block())
    newest = latest.get(ASSETS[0].id)
    assert newest == block()[-1]
    assert latest.get(ASSETS[0].id) is newest
    offer_block(slots, block([0], first_seq=3))
    assert latest.get(ASSETS[0].id) is newest
    late = block([3], boot_id=6, backfill=True, ts_us=[0, 0, 0, T0 - 9])
    offer_block(slots, late)
    assert latest.get(ASSETS[0].id) is newest
    offer_block(slots, block([3], boot_id=8, first_seq=1, ts_us=[0, 0, 0, T0 - 9]))
    latest_now = latest.get(ASSETS[0].id)
    assert latest_now is not None
    assert latest_now.boot_id == 8


@pytest.mark.parametrize("as_block", [True, False])
async def test_the_journal_stores_blocks_and_samples_alike(
    tmp_path: Path, as_block: bool, autojump_clock: MockClock
) -> None:
    durable = trio.Event()
    async with open_journal(tmp_path / "journal.db", virtual_runtime(T0)) as journal:
        samples = block() if as_block else list(block())
        await journal.append_telemetry(samples, durable.set)
        await journal.append_telemetry(samples, lambda: None)
        await durable.wait()
        stored = await journal.telemetry_history(ASSETS[0].id, PageRequest(10))
        other = await journal.telemetry_history(ASSETS[2].id, PageRequest(10))
    assert [*reversed(stored.items)] == [block()[0], block()[2]]
    assert list(other.items) == [block()[1]]
    assert journal.statistics().rows == 3
