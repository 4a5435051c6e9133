"""The pending acknowledgements of one agent: pure.

Touching ranges merge, so that few of them wait for an agent that reads slowly. Alternating taken
and refused ranges do not merge; a bound limits those.
"""

from collections.abc import Iterable
from itertools import chain, islice
from typing import TypeVar

from derhead.telemetry import RefusedRows
from derproto.der.v1 import GapAck, RefusedRange, SeqRange, TelemetryAck

T = TypeVar("T")

MAX_RANGES = 1024
"""Ranges and gap reports in one acknowledgement. When full, the rest go into the next message."""

RANGES_WAITING = 65_536
"""Ranges that wait for one agent, 130 bytes each. When full, the session ends as a slow reader,
and the agent resends the unacknowledged rows."""


class PendingAcks:
    """Ranges by boot, merged as they come."""

    def __init__(self) -> None:
        self._durable: dict[int, list[tuple[int, int]]] = {}
        self._refused: dict[int, list[RefusedRows]] = {}
        self._gaps: dict[int, dict[int, int]] = {}
        self._ranges = 0

    @property
    def too_many(self) -> bool:
        """Whether more ranges wait than the bound allows."""
        return self._ranges > RANGES_WAITING

    def __bool__(self) -> bool:
        return bool(self._durable or self._refused or self._gaps)

    def add(
        self, boot_id: int, durable: Iterable[tuple[int, int]], refused: Iterable[RefusedRows] = ()
    ) -> None:
        """Notes runs of sequence numbers, both ends included."""
        for first, last in durable:
            ranges = self._durable.setdefault(boot_id, [])
            if ranges and ranges[-1][1] + 1 == first:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
                self._ranges += 1
        for rows in refused:
            self._refused.setdefault(boot_id, []).append(rows)
            self._ranges += 1

    def add_gap(self, boot_id: int, number: int, revision: int) -> None:
        """Notes that a gap report is durable; the newest revision of a gap counts."""
        gaps = self._gaps.setdefault(boot_id, {})
        if number not in gaps:
            self._ranges += 1
        gaps[number] = max(revision, gaps.get(number, 0))

    def take(self) -> TelemetryAck | None:
        """The next message, for one boot; None when nothing is pending."""
        boot_id = next(chain(self._durable, self._refused, self._gaps), None)
        if boot_id is None:
            return None
        durable = _take(self._durable, boot_id)
        refused = _take(self._refused, boot_id)
        gaps = self._take_gaps(boot_id)
        self._ranges -= len(durable) + len(refused) + len(gaps)
        return TelemetryAck(
            boot_id=boot_id,
            durable=[SeqRange(first=first, last=last) for first, last in durable],
            refused=[
                RefusedRange(rows=SeqRange(first=rows.first, last=rows.last), reason=rows.reason)
                for rows in refused
            ],
            gaps=[GapAck(number=number, revision=revision) for number, revision in gaps],
        )

    def _take_gaps(self, boot_id: int) -> list[tuple[int, int]]:
        pending = self._gaps.pop(boot_id, {})
        taken = list(islice(pending.items(), MAX_RANGES))
        if len(taken) < len(pending):
            self._gaps[boot_id] = dict(islice(pending.items(), MAX_RANGES, None))
        return taken


def _take(pending: dict[int, list[T]], boot_id: int) -> list[T]:
    ranges = pending.get(boot_id, [])
    taken, rest = ranges[:MAX_RANGES], ranges[MAX_RANGES:]
    if rest:
        pending[boot_id] = rest
    else:
        pending.pop(boot_id, None)
    return taken
