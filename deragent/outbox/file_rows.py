"""Rows of the outbox's file as values: pure.

A damaged file can be readable and hold what no agent writes. ``UnsoundRow`` then stops it here,
before it reaches a message to the headend.
"""

from collections.abc import Mapping
from typing import Any

from deragent.devices.device import Measurement
from deragent.outbox.gap_book import Gap, MissingRows
from deragent.outbox.held_rows import OutboxRow
from derproto.der.v1 import GapCause, OperatingState

MOST_32, MOST_63, MOST_64 = 2**32 - 1, 2**63 - 1, 2**64 - 1


class UnsoundRow(ValueError):
    """A row of the file has a value that no agent writes."""


def read_row(values: tuple[Any, ...], indices: Mapping[int, int]) -> OutboxRow:
    """The sample of ``seq, asset, ts_us, quality``, five measured values and ``status``.

    ``indices`` has the index of each asset number. Raises: UnsoundRow.
    """
    seq, asset, ts_us, quality, p_mw, q_mvar, soc, voltage_v, hz, status = values
    measured = (p_mw, q_mvar, soc, voltage_v, hz)
    if not all(value is None or isinstance(value, float) for value in measured):
        raise UnsoundRow("a measured value is not a number")
    return OutboxRow(
        _whole(seq, MOST_63),
        _index(asset, indices),
        _time(ts_us),
        Measurement(p_mw, q_mvar, soc, voltage_v, hz, OperatingState(_whole(status, MOST_32))),
        _whole(quality, MOST_32),
    )


def read_gap(values: tuple[Any, ...], indices: Mapping[int, int]) -> Gap:
    """The gap of a row of ``gaps``. Raises: UnsoundRow."""
    boot, number, revision, asset, cause, start_us, end_us, rows = values
    return Gap(
        read_boot(boot),
        _whole(number, MOST_63),
        _whole(revision, MOST_32),
        _index(asset, indices),
        GapCause(_whole(cause, MOST_32 >> 1)),
        _time(start_us),
        _time(end_us),
        _whole(rows, MOST_63),
    )


def read_missing(values: tuple[Any, ...], indices: Mapping[int, int]) -> MissingRows:
    """The missing rows of a row of ``missing``. Raises: UnsoundRow."""
    asset, cause, boot, first, last, start_us, end_us, rows = values
    return MissingRows(
        _index(asset, indices),
        GapCause(_whole(cause, MOST_32 >> 1)),
        read_boot(boot),
        _whole(first, MOST_63),
        _whole(last, MOST_63),
        _time(start_us),
        _time(end_us),
        _whole(rows, MOST_63),
    )


def read_boot(text: Any) -> int:
    """A boot id, which the file has as text. Raises: UnsoundRow."""
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise UnsoundRow("a boot id is not a number")
    return _whole(int(text), MOST_64)


def _index(asset: Any, indices: Mapping[int, int]) -> int:
    if asset not in indices:
        raise UnsoundRow("a row is of an unknown asset")
    return indices[asset]


def _whole(value: Any, most: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise UnsoundRow("a whole number is out of range")
    return value


def _time(value: Any) -> int:
    if not isinstance(value, int):
        raise UnsoundRow("a time is not a whole number")
    return value
