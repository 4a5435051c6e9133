"""The columns of both stores' tables, by name and in order. Pure."""

from typing import Any, NamedTuple

Row = tuple[Any, ...]

TELEMETRY = (
    "asset",
    "ts_us",
    "boot",
    "seq",
    "received_us",
    "p_mw",
    "q_mvar",
    "soc",
    "voltage_v",
    "frequency_hz",
    "status",
    "quality",
    "setpoint_mw",
)


class DispatchRow(NamedTuple):
    """A dispatch, with all its states as JSON in the last column."""

    id: str
    asset_id: str
    mw: float
    created_us: int
    start_us: int
    duration_us: int | None
    priority: int
    ramp_mw_per_s: float | None
    group_id: str | None
    expires_us: int | None
    state: str
    reason: str
    detail: str
    applied_mw: float | None
    session_id: str | None
    attempts: int
    superseded_by: str | None
    suspended: str | None
    interrupted_us: int
    cancelling: str | None
    revision: int
    verdict: str | None
    ordered_by: str | None
    withdrawn_by: str | None
    states: str | None


DISPATCHES = DispatchRow._fields[:-1]


DISPATCH_STATES = ("dispatch_id", "n", "state", "at_us", "reason", "detail")


class GroupRow(NamedTuple):
    """An order to a site."""

    id: str
    site_id: str
    mw: float
    created_us: int
    start_us: int
    duration_us: int | None
    priority: int | None
    ramp_mw_per_s: float | None
    expires_us: int | None
    data: str


GROUPS = GroupRow._fields


class UsedKeyRow(NamedTuple):
    """An idempotency key."""

    key: str
    fingerprint: str
    kind: str
    target_id: str
    created_us: int


USED_KEYS = UsedKeyRow._fields


class SessionRow(NamedTuple):
    """A session."""

    session_id: str
    agent_id: str
    site_id: str | None
    asset_ids: str
    connected_us: int
    peer: str
    software_version: str
    boot_id: str
    ended_us: int | None
    end_reason: str | None
    messages: int
    samples: int
    clock_offset_us: int | None
    proof: str | None


SESSIONS = SessionRow._fields


class HeartbeatRow(NamedTuple):
    """A heartbeat."""

    agent_id: str
    received_us: int
    ts_us: int
    uptime_ms: int
    outbox_rows: int
    dropped_rows: int
    devices: str


HEARTBEATS = HeartbeatRow._fields


class GapRow(NamedTuple):
    """A gap."""

    id: str
    asset_id: str
    agent_id: str | None
    start_us: int
    end_us: int | None
    cause: str
    rows: int | None
    backfilled: int
    filled_us: int | None
    revision: int
    noticed_us: int


GAPS = GapRow._fields


class AuditRow(NamedTuple):
    """An entry of the audit trail."""

    id: str
    at_us: int
    action: str
    caller: str | None
    peer: str | None
    request_id: str | None
    target: str | None
    site_id: str | None
    detail: str | None
    before: str | None
    after: str | None


AUDIT = AuditRow._fields


class LevelRow(NamedTuple):
    """Service levels of an asset's hour."""

    hour_us: int
    asset_id: str
    from_us: int
    until_us: int
    continues: int
    seen_us: int
    down_us: int
    fresh_us: int
    held_us: int
    reconnects: int
    outages: int
    longest_us: int
    stale_from_us: int | None
    received: str | None
    started: str | None


LEVELS = LevelRow._fields


class SampleRow(NamedTuple):
    """A sample with the names of its asset and boot."""

    asset_id: str
    agent_id: str
    boot_id: str
    seq: int
    ts_us: int
    received_us: int
    p_mw: float | None
    q_mvar: float | None
    soc: float | None
    voltage_v: float | None
    frequency_hz: float | None
    status: int
    quality: int
    setpoint_mw: float | None


SAMPLE_COLUMNS = "a.asset_id, b.agent_id, b.boot_id, " + ", ".join(
    f"t.{name}" for name in SampleRow._fields[3:]
)
"""Selects a ``SampleRow`` from telemetry ``t``, its assets ``a`` and its boots ``b``."""
