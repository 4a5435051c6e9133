"""Records as the JSON objects that callers see: pure.

Unknown is null. No number is NaN, and no time is one that RFC 3339 cannot write.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from derhead.api.answers import (
    AgentJson,
    AssetJson,
    BucketJson,
    GapJson,
    HeartbeatJson,
    OperatingStatus,
    Quality,
    SampleJson,
    SessionJson,
    SiteJson,
    TelemetryJson,
)
from derhead.api.view import AgentView
from derhead.dispatch import SiteNow
from derhead.gaps import GapRecord
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample, age_us, stale_after_us
from derproto.base.fleet import Asset, Site
from derproto.base.timefmt import format_us
from derproto.der.v1 import OperatingState, QualityBit

Json: TypeAlias = Mapping[str, object]
"""Any of the answers' types."""

_STATUS: Mapping[int, OperatingStatus] = {
    state.value: cast("OperatingStatus", state.name.lower())
    for state in OperatingState
    if state.value != 0
}
_QUALITY: Sequence[tuple[int, Quality]] = [
    (bit.value, cast("Quality", bit.name.lower())) for bit in QualityBit if bit.value != 0
]


def asset_shape(asset: Asset, site: Site, *, agent_id: str | None, online: bool) -> AssetJson:
    """``agent_id`` holds the asset now, if ``online``, or did so last."""
    return {
        "id": asset.id,
        "name": asset.name,
        "site_id": site.id,
        "site_name": site.name,
        "kind": asset.kind.value,
        "rated_mw": asset.rated_mw,
        "limits": {"min_mw": asset.limits.min_mw, "max_mw": asset.limits.max_mw},
        "agent_id": agent_id,
        "online": online,
    }


def site_shape(site: Site, now: SiteNow) -> SiteJson:
    return {
        "id": site.id,
        "name": site.name,
        "timezone": site.timezone,
        "assets": {
            "total": now.total,
            "online": now.online,
            "stale": now.stale,
            "offline": now.offline,
            "measured": now.measured,
        },
        "rated_mw": now.rated_mw,
        "p_mw": number_of(now.p_mw),
        "available_up_mw": now.available_up_mw,
        "available_down_mw": now.available_down_mw,
    }


def agent_shape(agent: AgentView) -> AgentJson:
    return {
        "id": agent.id,
        "site_id": agent.site_id or None,
        "asset_ids": list(agent.asset_ids),
        "session_id": agent.session_id,
        "connected_at": time_of(agent.connected_us),
        "last_seen_at": time_of(agent.last_seen_us),
        "peer": agent.peer,
        "software_version": agent.software_version,
        "clock_offset_s": seconds_of(agent.clock_offset_us),
        "outbox_rows": agent.outbox_rows,
        "duplicate_id": agent.duplicate_id,
    }


def telemetry_shape(
    asset: Asset,
    sample: Sample | None,
    *,
    setpoint_mw: float | None,
    now_us: int,
    telemetry_period_ms: int,
    restored: bool = False,
) -> TelemetryJson:
    """An asset's sample; all unknown and stale where it never sent one.

    ``restored``: it is what the journal knew at start, and stale whatever its age.
    """
    age = None if sample is None else age_us(sample, now_us)
    return {
        **lasting_shape(asset, sample, setpoint_mw),
        "age_s": seconds_of(age),
        "stale": restored or age is None or age > stale_after_us(telemetry_period_ms),
    }


def lasting_shape(asset: Asset, sample: Sample | None, setpoint_mw: float | None) -> SampleJson:
    """The part of ``telemetry_shape`` that time does not change: all but the last two."""
    return {
        "asset_id": asset.id,
        "asset_name": asset.name,
        "site_id": asset.site_id,
        "agent_id": None if sample is None else sample.agent_id,
        "ts": None if sample is None else time_of(sample.ts_us),
        "received_at": None if sample is None else time_of(sample.received_us),
        "p_mw": None if sample is None else number_of(sample.p_mw),
        "q_mvar": None if sample is None else number_of(sample.q_mvar),
        "soc": None if sample is None else number_of(sample.soc),
        "voltage_v": None if sample is None else number_of(sample.voltage_v),
        "frequency_hz": None if sample is None else number_of(sample.frequency_hz),
        "status": None if sample is None else _STATUS.get(sample.status, "unknown"),
        "quality": [] if sample is None else _quality(sample.quality),
        "setpoint_mw": number_of(setpoint_mw),
    }


def bucket_shape(bucket: Bucket) -> BucketJson:
    """All in MW; ``ts`` is the start of the step."""
    return {
        "ts": time_of(bucket.start_us),
        "mean": number_of(bucket.mean_mw),
        "min": number_of(bucket.min_mw),
        "max": number_of(bucket.max_mw),
        "last": number_of(bucket.last_mw),
        "count": bucket.count,
    }


def heartbeat_shape(
    agent_id: str | None, heartbeat: HeartbeatRecord | None, *, now_us: int
) -> HeartbeatJson:
    """An agent's heartbeat; all unknown where it never sent one."""
    devices = () if heartbeat is None else heartbeat.devices
    return {
        "agent_id": agent_id,
        "ts": None if heartbeat is None else time_of(heartbeat.ts_us),
        "received_at": None if heartbeat is None else time_of(heartbeat.received_us),
        "uptime_s": None if heartbeat is None else heartbeat.uptime_ms / 1e3,
        "outbox_rows": None if heartbeat is None else heartbeat.outbox_rows,
        "devices": [{"asset_id": asset, "health": health} for asset, health in devices],
        "age_s": None if heartbeat is None else seconds_of(max(0, now_us - heartbeat.received_us)),
    }


def gap_shape(gap: GapRecord) -> GapJson:
    """``end`` is null while nothing came after it, ``rows`` where nobody counted them."""
    return {
        "id": gap.id,
        "asset_id": gap.asset_id,
        "start": time_of(gap.start_us),
        "end": time_of(gap.end_us),
        "cause": gap.cause.value,
        "rows": gap.rows,
        "backfilled": gap.backfilled,
        "filled_until": time_of(gap.filled_us),
        "agent_id": gap.agent_id,
    }


def session_shape(session: SessionRecord) -> SessionJson:
    return {
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "connected_at": time_of(session.connected_us),
        "ended_at": time_of(session.ended_us),
        "end_reason": session.end_reason,
        "clock_offset_s": seconds_of(session.clock_offset_us),
        "peer": session.peer,
        "software_version": session.software_version,
        "messages": session.messages,
        "samples": session.samples,
    }


def time_of(us: int | None) -> str | None:
    # An agent's clock may be anywhere.
    try:
        return None if us is None else format_us(us)
    except OverflowError:
        return None


def seconds_of(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def number_of(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _quality(bits: int) -> list[Quality]:
    return [name for bit, name in _QUALITY if bits & bit]
