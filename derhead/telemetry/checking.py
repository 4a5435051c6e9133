"""Checks Telemetry messages. Pure.

A message may break the protocol as a whole, which ends its session. Otherwise each of its rows is
either taken, or refused with a reason. The usual message, whose rows are all taken, is checked
column by column and not row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from derhead.telemetry.block import SampleBlock
from derproto.codec import TelemetryColumns
from derproto.configuration.fleet import Asset
from derproto.der.v1 import RefusalReason

MIN_TS_US, MAX_TS_US = 0, 253_402_300_800_000_000
"""The times that RFC 3339 can write: from 1970 up to, but not including, the year 10000."""

MAX_AHEAD_US = 7 * 86_400_000_000
"""How far ahead of the headend's clock a row may be measured. When over, the row is refused with
TIME_OUT_OF_RANGE. A wrong time zone is hours, and a headend without a clock battery may itself be
some days behind; a week is neither."""

MAX_SEQ = 2**63 - 1

_NO_SETPOINTS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Broken:
    """The message breaks the protocol. ``detail`` names the field."""

    detail: str


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """A run of sequence numbers that are refused."""

    first: int
    last: int
    reason: RefusalReason


class Rows(NamedTuple):
    """The rows of a message, taken and refused. A tuple, since every message makes one."""

    samples: SampleBlock
    taken: Sequence[tuple[int, int]]
    """Runs (first, last) of the sequence numbers taken, both ends included."""
    refused: Sequence[RefusedRows]


def read_rows(
    telemetry: TelemetryColumns,
    *,
    agent_id: str,
    granted: Mapping[int, Asset],
    claimed: int,
    max_rows: int,
    received_us: int,
    setpoints_mw: Mapping[str, float] = _NO_SETPOINTS,
) -> Rows | Broken:
    """The rows of a Telemetry message.

    ``granted`` maps the session's indices to assets. Indices below ``claimed`` that are not in
    ``granted`` were refused. ``setpoints_mw`` has the MW of each dispatch in force by asset id.

    Units: ``received_us`` microseconds since the epoch.
    """
    count, first_seq = len(telemetry.asset_index), telemetry.first_seq
    if not _is_whole(telemetry, count, claimed, max_rows):
        broken = _find_fault(telemetry, claimed, max_rows)
        if broken is not None:
            return Broken(broken)
    rows: Sequence[int] = range(count)
    taken: Sequence[tuple[int, int]] = ((first_seq, first_seq + count - 1),) if count else ()
    refused: Sequence[RefusedRows] = ()
    before_us = min(MAX_TS_US, received_us + MAX_AHEAD_US + 1)
    if count and not _all_taken(telemetry, granted, claimed, before_us):
        rows, taken, refused = _sort_out(telemetry, granted, before_us)
    block = SampleBlock(
        telemetry,
        rows,
        agent_id=agent_id,
        assets=granted,
        received_us=received_us,
        setpoints_mw=setpoints_mw,
    )
    return Rows(block, taken, refused)


def _is_whole(telemetry: TelemetryColumns, count: int, claimed: int, max_rows: int) -> bool:
    """Whether the message has rows and nothing is wrong with it: the quick check."""
    whole = (0, count)
    return (
        0 < count <= max_rows
        and 1 <= telemetry.first_seq <= MAX_SEQ - count
        and telemetry.boot_id != 0
        and len(telemetry.ts_us) == count
        and len(telemetry.p_mw) == count
        and len(telemetry.q_mvar) in whole
        and len(telemetry.soc) in whole
        and len(telemetry.voltage_v) in whole
        and len(telemetry.frequency_hz) in whole
        and len(telemetry.status) in whole
        and len(telemetry.quality) in whole
        and max(telemetry.asset_index) < claimed
    )


def _find_fault(telemetry: TelemetryColumns, claimed: int, max_rows: int) -> str | None:
    """The field that is wrong and why; None if nothing is, as in a message without rows."""
    count = len(telemetry.asset_index)
    if telemetry.boot_id == 0:
        return "telemetry.boot_id: 0; send the boot that measured the rows"
    if not 1 <= telemetry.first_seq <= MAX_SEQ - count:
        return f"telemetry.first_seq: {telemetry.first_seq} is not a sequence number from 1"
    if count > max_rows:
        return f"telemetry.asset_index: {count} rows; at most {max_rows} a message"
    for name, column in (("ts_us", telemetry.ts_us), ("p_mw", telemetry.p_mw)):
        if len(column) != count:
            return f"telemetry.{name}: {len(column)} rows, asset_index has {count}"
    for name, optional in (
        ("q_mvar", telemetry.q_mvar),
        ("soc", telemetry.soc),
        ("voltage_v", telemetry.voltage_v),
        ("frequency_hz", telemetry.frequency_hz),
        ("status", telemetry.status),
        ("quality", telemetry.quality),
    ):
        if optional and len(optional) != count:
            return f"telemetry.{name}: {len(optional)} rows, asset_index has {count}"
    if count and max(telemetry.asset_index) >= claimed:
        unassigned = next(index for index in telemetry.asset_index if index >= claimed)
        return f"telemetry.asset_index: {unassigned} was never assigned; 0 to {claimed - 1} were"
    return None


def _all_taken(
    telemetry: TelemetryColumns, granted: Mapping[int, Asset], claimed: int, before_us: int
) -> bool:
    if len(granted) != claimed and not granted.keys() >= set(telemetry.asset_index):
        return False
    return min(telemetry.ts_us) >= MIN_TS_US and max(telemetry.ts_us) < before_us


def _sort_out(
    telemetry: TelemetryColumns, granted: Mapping[int, Asset], before_us: int
) -> tuple[list[int], list[tuple[int, int]], list[RefusedRows]]:
    """Rows taken, their runs of sequence numbers, and the runs refused."""
    rows: list[int] = []
    taken: list[tuple[int, int]] = []
    refused: list[RefusedRows] = []
    for row, (index, ts_us) in enumerate(zip(telemetry.asset_index, telemetry.ts_us, strict=True)):
        seq = telemetry.first_seq + row
        if index not in granted:
            _extend_refused(refused, seq, RefusalReason.ASSET_REFUSED)
        elif not MIN_TS_US <= ts_us < before_us:
            _extend_refused(refused, seq, RefusalReason.TIME_OUT_OF_RANGE)
        else:
            rows.append(row)
            if taken and taken[-1][1] == seq - 1:
                taken[-1] = (taken[-1][0], seq)
            else:
                taken.append((seq, seq))
    return rows, taken, refused


def _extend_refused(refused: list[RefusedRows], seq: int, reason: RefusalReason) -> None:
    last = refused[-1] if refused else None
    if last is not None and last.reason == reason and last.last == seq - 1:
        refused[-1] = RefusedRows(last.first, seq, reason)
    else:
        refused.append(RefusedRows(seq, seq, reason))
