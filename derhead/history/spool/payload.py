"""The changes of a commit, packed into bytes for the spool and unpacked again. Pure.

Telemetry is packed by columns, each as wide as its values need: five thousand rows are packed in
some milliseconds and written in one piece. Everything else is JSON. A payload includes the names
for the journal's small integers, so it can be read without the journal's tables.

Layout: one byte for the version; four bytes for the length of the head; the head as JSON; then the
bytes of each column, little-endian.
"""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from derhead.history.sql import row_types
from derhead.history.sql.row_types import Row

VERSION = 1

NAN = float("nan")

FLOATS = frozenset({"p_mw", "q_mvar", "soc", "voltage_v", "frequency_hz", "setpoint_mw"})
"""Columns with numbers that may be unknown: NaN here, NULL in both stores."""

WIDTHS = (("b", 2**7), ("h", 2**15), ("i", 2**31), ("q", 2**63))
"""Types of integers, narrowest first, each with its bound."""

VERDICTS = "verdicts"
"""A kind of change: (dispatch id, verdict)."""

FORGOTTEN_KEYS = "forgotten_keys"
"""A kind of change: (microseconds since the epoch,). Idempotency keys from before it are
forgotten."""

Table = tuple[str, list[Row]]
"""Rows of one table, or of one kind of change, by name."""


@dataclass(slots=True)
class CommitChanges:
    """The changes of one commit or several."""

    telemetry: list[Row] = field(default_factory=list)
    """In the order of ``row_types.TELEMETRY``."""
    assets: dict[int, str] = field(default_factory=dict)
    boots: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Names for the numbers in ``telemetry``."""
    records: list[Table] = field(default_factory=list)
    """In the order of their commits."""

    @property
    def rows(self) -> int:
        return len(self.telemetry) + sum(len(lines) for _, lines in self.records)


@dataclass(frozen=True, slots=True)
class Payload:
    """Changes as unpacked from the spool."""

    columns: tuple[Sequence[Any], ...]
    """Telemetry by columns, in the order of ``row_types.TELEMETRY``; unknown is NaN."""
    assets: Mapping[int, str]
    boots: Mapping[int, tuple[str, str]]
    """By number: the agent, and the boot as decimal text."""
    records: tuple[Table, ...]


class BrokenPayload(Exception):
    """Bytes that ``pack`` did not make."""


def pack(changes: CommitChanges) -> bytes:
    """The changes as bytes."""
    columns = [
        _pack_column(name, column)
        for name, column in zip(row_types.TELEMETRY, _transposed(changes.telemetry), strict=True)
    ]
    head = json.dumps(
        {
            "rows": len(changes.telemetry),
            "types": "".join(kind for kind, _ in columns),
            "assets": list(changes.assets.items()),
            "boots": [
                (number, agent_id, str(boot_id))
                for number, (agent_id, boot_id) in changes.boots.items()
            ],
            "records": changes.records,
        },
        separators=(",", ":"),
    ).encode()
    return b"".join(
        (
            bytes((VERSION,)),
            len(head).to_bytes(4, "little"),
            head,
            *(packed for _, packed in columns),
        )
    )


def unpack(payload: bytes) -> Payload:
    """The changes that ``pack`` packed. Raises: BrokenPayload."""
    if not payload or payload[0] != VERSION:
        version = payload[0] if payload else "none"
        raise BrokenPayload(f"its version is {version}, this software knows {VERSION}")
    start = 5 + int.from_bytes(payload[1:5], "little")
    try:
        head = json.loads(payload[5:start])
        columns = []
        for kind in head["types"]:
            column, start = _unpack_column(kind, payload, start, head["rows"])
            columns.append(column)
        return Payload(
            tuple(columns),
            dict(head["assets"]),
            {number: (agent_id, boot_id) for number, agent_id, boot_id in head["boots"]},
            tuple((table, list(map(tuple, lines))) for table, lines in head["records"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenPayload(f"{type(error).__name__}: {error}") from error


def _transposed(telemetry: Sequence[Row]) -> Sequence[Sequence[Any]]:
    return list(zip(*telemetry, strict=True)) if telemetry else [()] * len(row_types.TELEMETRY)


def _pack_column(name: str, column: Sequence[Any]) -> tuple[str, bytes]:
    if name in FLOATS:
        if None not in column:
            packed = array("d", column)
        elif column.count(None) == len(column):
            return "n", b""
        else:
            packed = array("d", [NAN if value is None else value for value in column])
        return "d", _little(packed).tobytes()
    least, most = (min(column), max(column)) if column else (0, 0)
    kind = next(kind for kind, bound in WIDTHS if -bound <= least and most < bound)
    return kind, _little(array(kind, column)).tobytes()


def _unpack_column(kind: str, payload: bytes, start: int, count: int) -> tuple[Sequence[Any], int]:
    if kind == "n":
        return array("d", repeat(NAN, count)), start
    if kind not in "bhiqd":
        raise ValueError(f"there is no type {kind!r}")
    column = array(kind)
    end = start + count * column.itemsize
    if end > len(payload):
        raise ValueError(f"it ends after {len(payload)} bytes")
    column.frombytes(payload[start:end])
    return _little(column), end


def _little(column: "array[Any]") -> "array[Any]":
    if sys.byteorder == "big":
        column.byteswap()
    return column
