"""Two stores as one: merges their rows into one page. Pure.

The journal has every row from its *horizon* on, and may have some older ones. PostgreSQL has every
row that the journal let go, because the journal lets a row go only after PostgreSQL has it. So
asking the journal first and PostgreSQL second finds every row. If both have a row, the journal's
version is never the older one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Any

from derhead.history.sql.cursors import Key
from derhead.history.sql.listings import Listing
from derhead.history.sql.row_types import Row


@dataclass(frozen=True, slots=True)
class MergedPage:
    """The rows of a page, newest first, and where the next page begins."""

    rows: Sequence[Row]
    """At most one row more than the page takes."""
    resume: Key | None = None
    """Where the next page begins if there is no such row: the stores may have more."""


def is_whole(ours: Sequence[Row], listing: Listing[Any], horizon_us: int | None) -> bool:
    """Whether the journal alone has the whole page. ``horizon_us`` None = it has everything."""
    if horizon_us is None or listing.low_us >= horizon_us:
        return True
    # A row that the journal let go is from before its horizon, so it cannot come before these rows.
    full = len(ours) > listing.limit
    return full and int(listing.key(ours[listing.limit - 1])[0]) >= horizon_us


def merge_pages(
    ours: Sequence[Row],
    theirs: Sequence[Row],
    listing: Listing[Any],
    outdated: frozenset[Key] = frozenset(),
) -> MergedPage:
    """Merges a page of each store, newest first.

    ``outdated``: keys of rows whose version in PostgreSQL is outdated; the journal's version does
    not belong on this page.
    """
    keyed_ours = ((listing.key(row), True, row) for row in ours)
    keyed_theirs = ((listing.key(row), False, row) for row in theirs)
    rows = list(_once(merge(keyed_ours, keyed_theirs, key=lambda one: one[:2], reverse=True)))
    if not outdated:
        return MergedPage(tuple(row for _, row in rows[: listing.limit + 1]))
    # Rows that are left out make room for others. Those may be older than PostgreSQL's last row.
    full = len(theirs) > listing.limit
    end = listing.key(theirs[-1]) if full else None
    kept = [(key, row) for key, row in rows if key not in outdated and (end is None or key >= end)]
    return MergedPage(tuple(row for _, row in kept[: listing.limit + 1]), end)


def _once(rows: Iterator[tuple[Key, bool, Row]]) -> Iterator[tuple[Key, Row]]:
    """The first row of each key: the journal's, if it has one."""
    for key, same in groupby(rows, key=lambda one: one[0]):
        yield key, next(same)[2]
