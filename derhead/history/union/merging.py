"""Two stores as one: what of a page each has to tell, and their rows put together. Pure.

The journal has everything from some time on, its *horizon*, and of older rows perhaps some;
PostgreSQL has all that the journal let go. A row is never let go before PostgreSQL has it. So
whoever asks the journal first and PostgreSQL after it, and takes from both what they found, has
all of it; and of a row that both have, the journal's version is never the older one.
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
    """The rows of a page, newest first, and what follows them."""

    rows: Sequence[Row]
    """At most one more than the page takes."""
    resume: Key | None = None
    """Where the next page begins if there is no row more: the stores may have others beyond it."""


def is_whole(ours: Sequence[Row], listing: Listing[Any], horizon_us: int | None) -> bool:
    """Whether a page of the journal is all that there is of it. None = it has everything."""
    if horizon_us is None or listing.low_us >= horizon_us:
        return True
    # Nothing that the journal let go can stand before a row from after its horizon.
    full = len(ours) > listing.limit
    return full and int(listing.key(ours[listing.limit - 1])[0]) >= horizon_us


def put_together(
    ours: Sequence[Row],
    theirs: Sequence[Row],
    listing: Listing[Any],
    not_theirs: frozenset[Key] = frozenset(),
) -> MergedPage:
    """A page of both stores' pages, each newest first.

    ``not_theirs`` are keys of rows that PostgreSQL has in an older version: they would not be
    on this page if it knew the journal's.
    """
    keyed_ours = ((listing.key(row), True, row) for row in ours)
    keyed_theirs = ((listing.key(row), False, row) for row in theirs)
    rows = list(_once(merge(keyed_ours, keyed_theirs, key=lambda one: one[:2], reverse=True)))
    if not not_theirs:
        return MergedPage(tuple(row for _, row in rows[: listing.limit + 1]))
    # Without the rows left out there may be others, older than the last that was told.
    full = len(theirs) > listing.limit
    end = listing.key(theirs[-1]) if full else None
    kept = [
        (key, row) for key, row in rows if key not in not_theirs and (end is None or key >= end)
    ]
    return MergedPage(tuple(row for _, row in kept[: listing.limit + 1]), end)


def _once(rows: Iterator[tuple[Key, bool, Row]]) -> Iterator[tuple[Key, Row]]:
    """The first row of each key, which is the journal's where it has one."""
    for key, same in groupby(rows, key=lambda one: one[0]):
        yield key, next(same)[2]
