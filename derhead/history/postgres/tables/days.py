"""Which days (UTC) have a partition of their own. Pure."""

import datetime
import re
from collections.abc import Iterable

DAY_US = 86_400_000_000

AHEAD_DAYS = 2
"""Days ahead of today whose partitions are made in advance."""

MOST_DAYS = 4_000
"""Past days that may each have a partition, whatever ``postgres.days`` says: every partition makes
planning a query slower."""

_BOUND = re.compile(r"FROM \('?(-?\d+)'?\) TO \('?(-?\d+)'?\)")


def day_of(us: int) -> int:
    """The day of a time, counted from 1970-01-01."""
    return us // DAY_US


def wanted(days: Iterable[int], now_us: int, keep_days: int) -> set[int]:
    """The days that get a partition: those of the given days that are near enough, and the days
    ahead. Rows of all other times lie in the default partition."""
    today = day_of(now_us)
    oldest, newest = today - min(keep_days, MOST_DAYS), today + AHEAD_DAYS
    ahead = range(today, newest + 1)
    return {day for day in days if oldest <= day <= newest}.union(ahead)


def partition_name(day: int) -> str:
    """The name of the day's partition."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return f"telemetry_{date:%Y%m%d}"


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or a variant that no table has: a detached partition keeps its name."""
    names, free, n = set(taken), name, 1
    while free in names:
        n += 1
        free = f"{name}_{n}"
    return free


def read_bound(text: str) -> tuple[int, int] | None:
    """The bounds of a partition in microseconds, as PostgreSQL shows them; None for the default
    partition, or for one with other bounds."""
    found = _BOUND.search(text)
    return None if found is None else (int(found[1]), int(found[2]))
