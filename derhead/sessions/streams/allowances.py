"""Rates for the messages of one agent that the headend has to store or act on: pure.

Time is passed in: seconds on the loop's clock. An agent keeps its allowances when it reconnects.
The session counts other messages (a second Register, an unknown kind), and stores nothing of them.
"""

from enum import StrEnum

SESSIONS_S = 0.1
"""Sessions a second of one agent; deragent's pauses grow to 30 s. When full, Register is refused
with RESOURCE_EXHAUSTED."""

SESSIONS_BURST = 30
"""Sessions that one agent may begin at once. When full, ``SESSIONS_S`` holds."""

GAP_REPORTS_S = 20.0
"""Gap reports a second of one agent. When full, flow control holds back the agent's stream."""

GAP_REPORTS_BURST = 5_000
"""Gap reports that one agent may send at once; after an outage deragent has up to 4,096. When full,
``GAP_REPORTS_S`` holds."""

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

ROWS_A_PERIOD = 2.0
"""Rows of telemetry that one agent may send for each granted asset in each telemetry period. When
full, flow control holds back the agent's stream."""

ROWS_LEAST_S = 10.0
"""Rows of telemetry a second that any agent may send."""

ROWS_BURST = 1_000_000
"""Rows of telemetry that one agent may send beyond ``ROWS_A_PERIOD``: after an outage, deragent's
outbox has as many. When full, ``ROWS_A_PERIOD`` holds."""

BOOTS_S = 1.0
"""Boots a second whose telemetry one agent begins to send: the journal keeps each boot's name. When
full, flow control holds back the agent's stream."""

BOOTS_BURST = 1_000
"""Boots whose telemetry one agent may begin to send at once; after an outage its outbox may hold
rows of many. When full, ``BOOTS_S`` holds."""

AGENTS_METERED = 20_000
"""Agents whose allowances are remembered beyond their sessions. When full, the agent that
registered longest ago is forgotten; if it comes back, its allowances are full."""


class Metered(StrEnum):
    """What an agent has an allowance of. Metrics use the values."""

    SESSION = "session"
    GAP_REPORT = "gap_report"
    DISPATCH_REPORT = "dispatch_report"
    HEARTBEAT = "heartbeat"
    ROW = "row"
    BOOT = "boot"


class TokenBucket:
    """Grants ``rate_s`` tokens a second on average, and at most ``burst`` at once."""

    __slots__ = ("_burst", "_rate_s", "_since", "_tokens")

    def __init__(self, rate_s: float, burst: float, now: float) -> None:
        self._rate_s = rate_s
        self._burst = float(burst)
        self._tokens = self._burst
        self._since = now

    def set_rate(self, rate_s: float, now: float) -> None:
        """Grants so many tokens a second from now on."""
        self._refill(now)
        self._rate_s = rate_s

    def take(self, now: float, tokens: int = 1) -> float:
        """Takes tokens, perhaps future ones; returns the seconds until they are there."""
        # Refilled in place: each message of telemetry comes here.
        have = self._tokens + (now - self._since) * self._rate_s
        self._tokens = (have if have < self._burst else self._burst) - tokens
        self._since = now
        return -self._tokens / self._rate_s if self._tokens < 0 else 0.0

    def take_nowait(self, now: float) -> bool:
        """Takes a token if one is there."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        tokens = self._tokens + (now - self._since) * self._rate_s
        self._tokens = tokens if tokens < self._burst else self._burst
        self._since = now


Allowances = dict[Metered, TokenBucket]
"""The allowances of one agent."""


def rows_s(assets: int, telemetry_period_s: float) -> float:
    """Rows of telemetry a second of an agent that was granted so many assets."""
    return max(ROWS_LEAST_S, ROWS_A_PERIOD * assets / telemetry_period_s)


class AgentAllowances:
    """The allowances of every agent that registered."""

    def __init__(self, heartbeat_period_s: float) -> None:
        self._rates = {
            Metered.SESSION: (SESSIONS_S, SESSIONS_BURST),
            Metered.GAP_REPORT: (GAP_REPORTS_S, GAP_REPORTS_BURST),
            Metered.DISPATCH_REPORT: (DISPATCH_REPORTS_S, DISPATCH_REPORTS_BURST),
            Metered.HEARTBEAT: (HEARTBEATS_A_PERIOD / heartbeat_period_s, HEARTBEATS_BURST),
            Metered.ROW: (ROWS_LEAST_S, ROWS_BURST),
            Metered.BOOT: (BOOTS_S, BOOTS_BURST),
        }
        self._agents: dict[str, Allowances] = {}

    def of(self, agent_id: str, now: float) -> Allowances:
        """The agent's allowances; full ones if it is new."""
        # The newest agent is last in the dictionary.
        known = self._agents.pop(agent_id, None)
        if known is None:
            known = {
                kind: TokenBucket(rate_s, burst, now)
                for kind, (rate_s, burst) in self._rates.items()
            }
        self._agents[agent_id] = known
        if len(self._agents) > AGENTS_METERED:
            del self._agents[next(iter(self._agents))]
        return known
