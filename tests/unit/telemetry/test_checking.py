"""Telemetry messages: rows taken, rows refused, broken messages."""

import math
from typing import Any

import pytest

from derhead.telemetry import MAX_AHEAD_US, Broken, RefusedRows, Rows, read_rows
from derhead.telemetry.checking import MAX_TS_US
from derhead.telemetry.quality import CLOCK_SKEW_US
from derproto.codec import TelemetryColumns
from derproto.der.v1 import QualityBit, RefusalReason
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0

ASSET = make_asset(numbered_id(1))


def read(**columns: Any) -> Rows | Broken:
    max_rows = columns.pop("max_rows", 100)
    fields: dict[str, Any] = {"boot_id": 9, "first_seq": 1, **columns}
    return read_rows(
        TelemetryColumns(**fields),
        agent_id="x",
        granted={1: ASSET},
        claimed=3,
        max_rows=max_rows,
        received_us=T0,
    )


def rows(**columns: Any) -> Rows:
    taken = read(**columns)
    assert isinstance(taken, Rows)
    return taken


def test_every_column_reaches_its_sample() -> None:
    taken = rows(
        first_seq=5,
        asset_index=[1],
        ts_us=[T0 - 7],
        p_mw=[-1.5],
        q_mvar=[0.25],
        soc=[0.5],
        voltage_v=[277.0],
        frequency_hz=[60.0],
        status=[4],
        quality=[QualityBit.STALE_DEVICE],
    )
    (sample,) = taken.samples
    assert (sample.asset_id, sample.agent_id, sample.boot_id, sample.seq) == (ASSET.id, "x", 9, 5)
    assert (sample.ts_us, sample.received_us) == (T0 - 7, T0)
    assert (sample.p_mw, sample.q_mvar, sample.soc) == (-1.5, 0.25, 0.5)
    assert (sample.voltage_v, sample.frequency_hz, sample.status) == (277.0, 60.0, 4)
    assert sample.quality == QualityBit.STALE_DEVICE
    assert list(taken.taken) == [(5, 5)]
    assert list(taken.refused) == []


def test_a_missing_column_and_nan_are_unknown() -> None:
    (sample,) = rows(asset_index=[1], ts_us=[T0], p_mw=[math.nan]).samples
    assert (sample.p_mw, sample.q_mvar, sample.soc, sample.voltage_v) == (None, None, None, None)
    assert sample.quality == 0


def test_only_rows_of_a_refused_asset_are_refused() -> None:
    taken = rows(asset_index=[1, 0, 2, 1, 1], ts_us=[T0] * 5, p_mw=[0.0] * 5)
    assert list(taken.taken) == [(1, 1), (4, 5)]
    assert list(taken.refused) == [RefusedRows(2, 3, RefusalReason.ASSET_REFUSED)]
    assert [sample.seq for sample in taken.samples] == [1, 4, 5]


@pytest.mark.parametrize("ts_us", [-1, T0 + MAX_AHEAD_US + 1, MAX_TS_US, -(2**63), 2**63 - 1])
def test_a_time_beyond_belief_is_refused(ts_us: int) -> None:
    taken = rows(asset_index=[1], ts_us=[ts_us], p_mw=[0.0])
    assert list(taken.refused) == [RefusedRows(1, 1, RefusalReason.TIME_OUT_OF_RANGE)]


@pytest.mark.parametrize(
    ("offset_us", "backfill", "flagged"),
    [
        (0, False, False),
        (-CLOCK_SKEW_US, False, False),
        (-CLOCK_SKEW_US - 1, False, True),
        (CLOCK_SKEW_US + 1, False, True),
        (-CLOCK_SKEW_US - 1, True, False),
        (CLOCK_SKEW_US + 1, True, True),
        (MAX_AHEAD_US, False, True),
        (-T0, False, True),
    ],
)
def test_rows_with_a_clock_far_off_are_kept_and_flagged(
    offset_us: int, backfill: bool, flagged: bool
) -> None:
    taken = rows(asset_index=[1], ts_us=[T0 + offset_us], p_mw=[0.0], backfill=backfill)
    (sample,) = taken.samples
    assert bool(sample.quality & QualityBit.CLOCK_SKEW) is flagged
    assert bool(sample.quality & QualityBit.BACKFILLED) is backfill


@pytest.mark.parametrize(
    ("column", "value", "flagged"),
    [
        ("p_mw", 3.0, False),
        ("p_mw", -3.01, True),
        ("p_mw", math.inf, True),
        ("soc", 1.0, False),
        ("soc", 1.01, True),
        ("soc", math.nan, False),
        ("voltage_v", -1.0, True),
        ("frequency_hz", math.inf, True),
        ("q_mvar", -5.0, False),
    ],
)
def test_impossible_values_are_kept_and_flagged(column: str, value: float, flagged: bool) -> None:
    columns: dict[str, object] = {"p_mw": [0.0], column: [value]}
    (sample,) = rows(asset_index=[1], ts_us=[T0], **columns).samples
    assert bool(sample.quality & QualityBit.IMPLAUSIBLE) is flagged


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"boot_id": 0}, "telemetry.boot_id"),
        ({"first_seq": 0}, "telemetry.first_seq"),
        ({"first_seq": 2**63}, "telemetry.first_seq"),
        ({"ts_us": [T0, T0]}, "telemetry.ts_us"),
        ({"p_mw": []}, "telemetry.p_mw"),
        ({"soc": [0.1, 0.2]}, "telemetry.soc"),
        ({"quality": [0, 0]}, "telemetry.quality"),
        ({"asset_index": [3]}, "telemetry.asset_index: 3 was never assigned; 0 to 2 were"),
        ({"max_rows": 0}, "telemetry.asset_index: 1 rows; at most 0"),
    ],
)
def test_broken_framing_names_its_field(columns: dict[str, object], names: str) -> None:
    fields: dict[str, object] = {"asset_index": [1], "ts_us": [T0], "p_mw": [0.0], **columns}
    broken = read(**fields)
    assert isinstance(broken, Broken)
    assert broken.detail.startswith(names)
