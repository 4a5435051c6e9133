"""Rates for the messages of one agent that the headend has to store or act on: pure.

Time is passed in: seconds on the loop's clock. Telemetry needs no allowance: one message of each
session may wait for the journal, which takes them in turn. The session counts other messages (a
second Register, an unknown kind), and stores nothing of them.
"""

from collections import Counter
from dataclasses import dataclass, field

from derproto.der.v1 import RefusalReason

GAP_REPORTS_S = 200.0
"""Gap reports a second of one agent; deragent sends at most 100. When full, flow control holds back
the agent's stream."""

GAP_REPORTS_BURST = 1_000
"""Gap reports that one agent may send at once. When full, ``GAP_REPORTS_S`` holds."""

DISPATCH_REPORTS_S = 1_000.0
"""Dispatch reports a second of one agent. When full, flow control holds back the agent's stream."""

DISPATCH_REPORTS_BURST = 5_000
"""Dispatch reports that one agent may send at once; after an outage deragent has up to 4,096. When
full, ``DISPATCH_REPORTS_S`` holds."""

HEARTBEATS_A_PERIOD = 4.0
"""Heartbeats of one agent to store in each heartbeat period. When full, only the newest is kept, in
memory."""

HEARTBEATS_BURST = 10
"""Heartbeats of one agent to store in a row. When full, ``HEARTBEATS_A_PERIOD`` holds."""


@dataclass(slots=True)
class Excess:
    """Messages beyond the agents' allowances and refused rows, since the start."""

    gap_reports: int = 0
    dispatch_reports: int = 0
    heartbeats: int = 0
    refused_rows: Counter[RefusalReason] = field(default_factory=Counter)


class TokenBucket:
    """Grants ``rate_s`` tokens a second, and ``burst`` of them at once."""

    __slots__ = ("_burst", "_rate_s", "_since", "_tokens")

    def __init__(self, rate_s: float, burst: float, now: float) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._tokens = float(burst)
        self._since = now

    def take(self, now: float) -> float:
        """Takes a token, perhaps a future one; returns the seconds until it is there."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate_s)

    def take_nowait(self, now: float) -> bool:
        """Takes a token if one is there."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate_s)
        self._since = now


@dataclass(slots=True)
class Allowances:
    """The allowances of one agent's session."""

    gap_reports: TokenBucket
    dispatch_reports: TokenBucket
    heartbeats: TokenBucket
    told: set[str] = field(default_factory=set)
    """The log lines about excess that this session has had."""

    @classmethod
    def from_now(cls, now: float, heartbeat_period_s: float) -> "Allowances":
        """Allowances with full buckets."""
        return cls(
            TokenBucket(GAP_REPORTS_S, GAP_REPORTS_BURST, now),
            TokenBucket(DISPATCH_REPORTS_S, DISPATCH_REPORTS_BURST, now),
            TokenBucket(HEARTBEATS_A_PERIOD / heartbeat_period_s, HEARTBEATS_BURST, now),
        )
