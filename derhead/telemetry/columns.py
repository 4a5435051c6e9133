"""Telemetry messages, checked and cut into samples: pure.

A message has one of three fates: it breaks the protocol as a whole, and its session ends;
or each of its rows is either taken or refused with a reason.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from derhead.telemetry.sample import Sample
from derproto.base.fleet import Asset
from derproto.der.v1 import QualityBit, RefusalReason, Telemetry

CLOCK_SKEW_US = 300_000_000
"""A live row further than this from the headend's clock is flagged ``clock_skew``; a
backfilled one may be as old as it likes, and is flagged only in the future."""

IMPLAUSIBLE_FACTOR = 1.5
"""Power beyond this multiple of rated_mw is flagged ``implausible``: meters overshoot, and
assets run above their rating for a moment, but not by half."""

MIN_TS_US, MAX_TS_US = 0, 253_402_300_800_000_000
"""Times that RFC 3339 can write: 1970 up to, not including, year 10000."""

MAX_SEQ = 2**63 - 1

_KNOWN_QUALITY = 0xF


@dataclass(frozen=True, slots=True)
class Broken:
    """The message breaks the protocol; ``detail`` names the field."""

    detail: str


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """A run of sequence numbers that will not be taken."""

    first: int
    last: int
    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class Rows:
    """What a message holds."""

    samples: tuple[Sample, ...]
    taken: tuple[tuple[int, int], ...]
    """Runs (first, last) of the sequence numbers taken, both ends included."""
    refused: tuple[RefusedRows, ...]


def read_rows(
    telemetry: Telemetry,
    *,
    agent_id: str,
    granted: Mapping[int, Asset],
    claimed: int,
    max_rows: int,
    received_us: int,
    setpoint_mw: Callable[[str], float | None] = lambda _asset_id: None,
) -> Rows | Broken:
    """The rows of a Telemetry message.

    ``granted`` maps the session's indices to assets; indices below ``claimed`` that are
    not in it were refused. ``setpoint_mw`` tells the dispatch in force of an asset.

    Units: ``received_us`` microseconds since the epoch.
    """
    broken = _check_shape(telemetry, claimed, max_rows)
    if broken is not None:
        return Broken(broken)
    q_mvar, soc = telemetry.q_mvar, telemetry.soc
    voltage_v, frequency_hz = telemetry.voltage_v, telemetry.frequency_hz
    status, quality = telemetry.status, telemetry.quality
    samples: list[Sample] = []
    runs: list[tuple[int, int]] = []
    refused: list[RefusedRows] = []
    for row, (index, ts_us) in enumerate(zip(telemetry.asset_index, telemetry.ts_us, strict=True)):
        seq = telemetry.first_seq + row
        asset = granted.get(index)
        if asset is None or not MIN_TS_US <= ts_us < MAX_TS_US:
            reason = (
                RefusalReason.ASSET_REFUSED if asset is None else RefusalReason.TIME_OUT_OF_RANGE
            )
            _extend_refused(refused, seq, reason)
            continue
        sample = Sample(
            asset_id=asset.id,
            agent_id=agent_id,
            boot_id=telemetry.boot_id,
            seq=seq,
            ts_us=ts_us,
            received_us=received_us,
            p_mw=_known(telemetry.p_mw[row]),
            q_mvar=_known(q_mvar[row]) if q_mvar else None,
            soc=_known(soc[row]) if soc else None,
            voltage_v=_known(voltage_v[row]) if voltage_v else None,
            frequency_hz=_known(frequency_hz[row]) if frequency_hz else None,
            status=status[row] if status else 0,
            quality=_quality(
                telemetry, row, quality[row] if quality else 0, asset, ts_us - received_us
            ),
            setpoint_mw=setpoint_mw(asset.id),
        )
        samples.append(sample)
        if runs and runs[-1][1] == seq - 1:
            runs[-1] = (runs[-1][0], seq)
        else:
            runs.append((seq, seq))
    return Rows(tuple(samples), tuple(runs), tuple(refused))


def _check_shape(telemetry: Telemetry, claimed: int, max_rows: int) -> str | None:
    rows = len(telemetry.asset_index)
    if telemetry.boot_id == 0:
        return "telemetry.boot_id: 0; send the boot that measured the rows"
    if not 1 <= telemetry.first_seq <= MAX_SEQ - rows:
        return f"telemetry.first_seq: {telemetry.first_seq} is not a sequence number from 1"
    if rows > max_rows:
        return f"telemetry.asset_index: {rows} rows; at most {max_rows} a message"
    for name in ("ts_us", "p_mw"):
        if len(getattr(telemetry, name)) != rows:
            return f"telemetry.{name}: {len(getattr(telemetry, name))} rows, asset_index has {rows}"
    for name in ("q_mvar", "soc", "voltage_v", "frequency_hz", "status", "quality"):
        if len(getattr(telemetry, name)) not in (0, rows):
            return f"telemetry.{name}: {len(getattr(telemetry, name))} rows, asset_index has {rows}"
    unassigned = next((index for index in telemetry.asset_index if index >= claimed), None)
    if unassigned is not None:
        return f"telemetry.asset_index: {unassigned} was never assigned; 0 to {claimed - 1} were"
    return None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _quality(telemetry: Telemetry, row: int, said: int, asset: Asset, ahead_us: int) -> int:
    quality = said & _KNOWN_QUALITY
    if telemetry.backfill:
        quality |= QualityBit.BACKFILLED
    if ahead_us > CLOCK_SKEW_US or (not telemetry.backfill and ahead_us < -CLOCK_SKEW_US):
        quality |= QualityBit.CLOCK_SKEW
    if _implausible(telemetry, row, asset):
        quality |= QualityBit.IMPLAUSIBLE
    return quality


def _implausible(telemetry: Telemetry, row: int, asset: Asset) -> bool:
    p_mw = telemetry.p_mw[row]
    if math.isinf(p_mw) or abs(p_mw) > asset.rated_mw * IMPLAUSIBLE_FACTOR:
        return True
    if telemetry.soc and not math.isnan(telemetry.soc[row]) and not 0 <= telemetry.soc[row] <= 1:
        return True
    not_negative: Sequence[Sequence[float]] = (telemetry.voltage_v, telemetry.frequency_hz)
    return any(column and (column[row] < 0 or math.isinf(column[row])) for column in not_negative)


def _extend_refused(refused: list[RefusedRows], seq: int, reason: RefusalReason) -> None:
    last = refused[-1] if refused else None
    if last is not None and last.reason == reason and last.last == seq - 1:
        refused[-1] = RefusedRows(last.first, seq, reason)
    else:
        refused.append(RefusedRows(seq, seq, reason))
