"""The journal's records of sessions and heartbeats: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One stream's life, from Register to its end."""

    session_id: str
    """UUID."""
    agent_id: str
    site_id: str | None
    asset_ids: tuple[str, ...]
    """The assets granted to it."""
    connected_us: int
    """When Register was accepted, microseconds since the epoch."""
    peer: str
    """The agent's address, as text."""
    software_version: str
    boot_id: int
    ended_us: int | None = None
    """None while it lives."""
    end_reason: str | None = None
    """One word or two, e.g. ``superseded``, ``silent``, ``closed by agent``."""
    messages: int = 0
    samples: int = 0
    clock_offset_us: int | None = None
    """The agent's clock minus the headend's, when it registered."""
    proof: str | None = None
    """How the agent showed who it was, e.g. ``certificate``; None = it did not."""


@dataclass(frozen=True, slots=True)
class HeartbeatRecord:
    """One Heartbeat of an agent."""

    agent_id: str
    ts_us: int
    """The agent's clock when it wrote it, microseconds since the epoch."""
    received_us: int
    uptime_ms: int
    outbox_rows: int
    dropped_rows: int
    devices: tuple[tuple[str, str], ...]
    """(asset id, health) of each device; health is ``ok``, ``degraded``, ``unreachable``
    or ``unknown``."""
