"""Periods and bounds of sessions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Periods and bounds of every session."""

    register_timeout_s: float = 10.0
    """Time from the stream's start to its Register."""
    telemetry_period_s: float = 4.0
    heartbeat_period_s: float = 30.0
    alive_period_s: float = 10.0
    silence_s: float = 45.0
    """A session from which nothing came for this long is ended."""
    max_sessions: int = 5000
    max_assets: int = 1000
    """Assets one session may claim."""
    max_rows: int = 5000
    """Rows in one Telemetry message."""
