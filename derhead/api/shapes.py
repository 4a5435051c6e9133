"""Records as the JSON objects that callers see: pure.

Unknown is null. No number is NaN, and no time is one that RFC 3339 cannot write.
"""

import math
from typing import TypeAlias

from derhead.api.view import AgentView
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample, age_us, stale_after_us
from derproto.base.fleet import Asset, Site
from derproto.base.timefmt import format_us
from derproto.der.v1 import OperatingState, QualityBit

Json: TypeAlias = dict[str, object]

_STATUS = {state.value: state.name.lower() for state in OperatingState if state.value != 0}
_QUALITY = [(bit.value, bit.name.lower()) for bit in QualityBit if bit.value != 0]


def asset_shape(asset: Asset, site: Site, *, agent_id: str | None, online: bool) -> Json:
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


def agent_shape(agent: AgentView) -> Json:
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
) -> Json:
    """An asset's sample; all unknown and stale where it never sent one."""
    age = None if sample is None else age_us(sample, now_us)
    return {
        **lasting_shape(asset, sample, setpoint_mw),
        "age_s": seconds_of(age),
        "stale": age is None or age > stale_after_us(telemetry_period_ms),
    }


def lasting_shape(asset: Asset, sample: Sample | None, setpoint_mw: float | None) -> Json:
    """The part of ``telemetry_shape`` that time does not change: all but the last two."""
    return {
        "asset_id": asset.id,
        "asset_name": asset.name,
        "site_id": asset.site_id,
        "agent_id": sample and sample.agent_id,
        "ts": sample and time_of(sample.ts_us),
        "received_at": sample and time_of(sample.received_us),
        "p_mw": sample and number_of(sample.p_mw),
        "q_mvar": sample and number_of(sample.q_mvar),
        "soc": sample and number_of(sample.soc),
        "voltage_v": sample and number_of(sample.voltage_v),
        "frequency_hz": sample and number_of(sample.frequency_hz),
        "status": sample and _STATUS.get(sample.status, "unknown"),
        "quality": [] if sample is None else _quality(sample.quality),
        "setpoint_mw": number_of(setpoint_mw),
    }


def bucket_shape(bucket: Bucket) -> Json:
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
) -> Json:
    """An agent's heartbeat; all unknown where it never sent one."""
    devices = () if heartbeat is None else heartbeat.devices
    return {
        "agent_id": agent_id,
        "ts": heartbeat and time_of(heartbeat.ts_us),
        "received_at": heartbeat and time_of(heartbeat.received_us),
        "uptime_s": heartbeat and heartbeat.uptime_ms / 1e3,
        "outbox_rows": heartbeat and heartbeat.outbox_rows,
        "devices": [{"asset_id": asset, "health": health} for asset, health in devices],
        "age_s": heartbeat and seconds_of(max(0, now_us - heartbeat.received_us)),
    }


def session_shape(session: SessionRecord) -> Json:
    return {
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "connected_at": time_of(session.connected_us),
        "ended_at": time_of(session.ended_us),
        "end_reason": session.end_reason,
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


def _quality(bits: int) -> list[str]:
    return [name for bit, name in _QUALITY if bits & bit]
