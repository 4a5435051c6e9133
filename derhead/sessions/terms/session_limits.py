"""Periods and bounds of sessions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Periods and bounds of every session."""

    register_timeout_s: float = 10.0
    """Seconds from the stream's start to its Register."""
    telemetry_period_s: float = 4.0
    heartbeat_period_s: float = 30.0
    alive_period_s: float = 10.0
    silence_s: float = 45.0
    """Seconds of silence after which a session is ended."""
    max_sessions: int = 5000
    """Sessions at a time (configurable). When full, the oldest that was granted no asset ends; if
    each was, a new stream ends with RESOURCE_EXHAUSTED."""
    registers_per_s: float = 200.0
    """Agents admitted a second (configurable). When full, an agent's stream waits up to two seconds
    for its turn; with a later turn the agent gets Goodbye(busy), which tells when it is, and
    RESOURCE_EXHAUSTED."""
    max_assets: int = 1000
    """Assets of one session. When full, Register is refused with INVALID_ARGUMENT."""
    max_rows: int = 5000
    """Rows of one Telemetry message, as Welcome states. When full, the session ends with
    INVALID_ARGUMENT."""
