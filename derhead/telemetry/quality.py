"""Flags the doubtful values of a row. Doubtful rows are kept. Pure."""

import math

from derproto.codec import TelemetryColumns
from derproto.configuration.fleet import Asset
from derproto.der.v1 import QualityBit

CLOCK_SKEW_US = 300_000_000
"""A live row further than this from the headend's clock is flagged ``clock_skew``. A backfilled
row may have any age, and is flagged only if it lies in the future."""

IMPLAUSIBLE_FACTOR = 1.5
"""Power beyond this multiple of rated_mw is flagged ``implausible``: meters overshoot, and
assets run above their rating for a moment, but not by half."""

_KNOWN = 0xF
_CLOCK_SKEW = int(QualityBit.CLOCK_SKEW)
_IMPLAUSIBLE = int(QualityBit.IMPLAUSIBLE)
_BACKFILLED = int(QualityBit.BACKFILLED)


def counts_since_us(ts_us: int, received_us: int, quality: int) -> int:
    """The time from which a sample's age counts, microseconds since the epoch.

    This is the time of measurement, or the time of arrival if the agent's clock is off.
    """
    return received_us if quality & _CLOCK_SKEW else min(ts_us, received_us)


def row_quality(columns: TelemetryColumns, row: int, asset: Asset, received_us: int) -> int:
    """Bits as in ``der.v1.QualityBit``: those of the agent and those that the headend adds."""
    quality = columns.quality[row] & _KNOWN if columns.quality else 0
    ahead_us = columns.ts_us[row] - received_us
    if columns.backfill:
        quality |= _BACKFILLED
    elif ahead_us < -CLOCK_SKEW_US:
        quality |= _CLOCK_SKEW
    if ahead_us > CLOCK_SKEW_US:
        quality |= _CLOCK_SKEW
    if _implausible(columns, row, asset):
        quality |= _IMPLAUSIBLE
    return quality


def _implausible(columns: TelemetryColumns, row: int, asset: Asset) -> bool:
    """Whether a value is beyond what the asset can do. NaN means unknown, which is never beyond."""
    if abs(columns.p_mw[row]) > asset.rated_mw * IMPLAUSIBLE_FACTOR:
        return True
    if columns.soc and (columns.soc[row] < 0.0 or columns.soc[row] > 1.0):
        return True
    if columns.voltage_v and not _possible(columns.voltage_v[row]):
        return True
    return bool(columns.frequency_hz) and not _possible(columns.frequency_hz[row])


def _possible(value: float) -> bool:
    return math.isnan(value) or 0.0 <= value < math.inf
