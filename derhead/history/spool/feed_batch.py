"""Payloads of the spool, merged for one transaction of PostgreSQL. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from derhead.history.spool.payload import Payload, Table
from derhead.history.sql import row_types
from derhead.history.sql.row_types import Row

IN_ANY_ORDER = frozenset({"sessions", "heartbeats", "gaps", "audit", "service_levels"})
"""Tables whose rows may arrive in any order and more than once, because an older row never
overwrites a newer one. All other changes are applied in the order of their commits."""


@dataclass(slots=True)
class FeedBatch:
    """Changes for one transaction of PostgreSQL."""

    columns: list[list[Any]] = field(default_factory=lambda: [[] for _ in row_types.TELEMETRY])
    """Telemetry by columns, in the order of ``row_types.TELEMETRY``. Assets and boots have the
    journal's numbers; unknown is NaN."""
    assets: dict[int, str] = field(default_factory=dict)
    boots: dict[int, tuple[str, str]] = field(default_factory=dict)
    ordered: list[Table] = field(default_factory=list)
    others: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def telemetry_rows(self) -> int:
        return len(self.columns[0])

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        records = sum(len(lines) for _, lines in self.ordered)
        return self.telemetry_rows + records + sum(map(len, self.others.values()))

    def add(self, payload: Payload, *, ordered: bool = True) -> None:
        """Adds the changes of a commit; without ``ordered`` only those that may come in any
        order."""
        for column, more in zip(self.columns, payload.columns, strict=True):
            column.extend(more)
        self.assets.update(payload.assets)
        self.boots.update(payload.boots)
        for table, lines in payload.records:
            if table in IN_ANY_ORDER:
                self.others.setdefault(table, []).extend(lines)
            elif ordered:
                self._add_ordered(table, lines)

    def _add_ordered(self, table: str, lines: Sequence[Row]) -> None:
        if self.ordered and self.ordered[-1][0] == table:
            self.ordered[-1][1].extend(lines)
        else:
            self.ordered.append((table, list(lines)))


def has_ordered(payload: Payload) -> bool:
    """Whether some of the payload's changes must be applied in the order of commits."""
    return any(table not in IN_ANY_ORDER for table, _ in payload.records)


def merged(payloads: Iterable[Payload], *, ordered: bool = True) -> FeedBatch:
    """All payloads in one batch."""
    batch = FeedBatch()
    for payload in payloads:
        batch.add(payload, ordered=ordered)
    return batch
