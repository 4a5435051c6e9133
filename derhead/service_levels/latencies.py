"""Counts of latencies that can be added, and from which quantiles can be read. Pure.

A latency is counted in a bucket. The upper bounds of buckets are 2 s times powers of the eighth
root of 2, so each is 9.05 % above the one before. A quantile is the upper bound of its bucket: it
is never below the exact quantile, and less than 9.1 % above it. Since 2 s is a bound, the number of
latencies above 2 s is exact.
"""

import json
import math
from collections.abc import Mapping

from derhead.service_levels.objectives import DISPATCH_US

STEPS = 8
"""Buckets from one latency to its double."""

LEAST, MOST = -88, 160
"""The first bucket has everything up to 1 ms, the last one everything above 22 days."""


class Latencies:
    """How many latencies fell into each bucket."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts = dict(counts or {})
        """By bucket; 0 is the one that ends with 2 s."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Latencies) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Latencies({self.counts})"

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def late(self) -> int:
        """Latencies above ``DISPATCH_US``."""
        return sum(count for bucket, count in self.counts.items() if bucket > 0)

    def take(self, us: int) -> None:
        """Counts one latency, microseconds. A negative one, after a clock was set, counts as 0."""
        bucket = bucket_of(us)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def add(self, other: "Latencies") -> None:
        """Adds another's counts."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def copy(self) -> "Latencies":
        return Latencies(self.counts)

    def quantile_us(self, share: float) -> int | None:
        """The least bound below or at which that share of latencies lies; None without any."""
        rank = max(1, math.ceil(share * self.total))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return bound_us(bucket)
        return None

    def text(self) -> str | None:
        """The counts as JSON; None if there are none."""
        if not self.counts:
            return None
        return json.dumps(dict(sorted(self.counts.items())), separators=(",", ":"))

    @staticmethod
    def parse(text: str | None) -> "Latencies":
        """From ``text``."""
        if text is None:
            return Latencies()
        return Latencies({int(bucket): count for bucket, count in json.loads(text).items()})


def bucket_of(us: int) -> int:
    """The bucket of a latency."""
    if us <= 0:
        return LEAST
    return min(max(math.ceil(STEPS * math.log2(us / DISPATCH_US)), LEAST), MOST)


def bound_us(bucket: int) -> int:
    """The greatest latency of a bucket, microseconds."""
    return math.floor(DISPATCH_US * 2 ** (bucket / STEPS))
