"""Records as the JSON objects that callers see: pure.

Unknown is null. No number is NaN, and no time is one that RFC 3339 cannot write.
"""

import math
from typing import TypeAlias

from derhead.api.view import AgentView
from derhead.dispatch import Dispatch
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
        "connected_at": _time(agent.connected_us),
        "last_seen_at": _time(agent.last_seen_us),
        "peer": agent.peer,
        "software_version": agent.software_version,
        "clock_offset_s": _seconds(agent.clock_offset_us),
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
        "age_s": _seconds(age),
        "stale": age is None or age > stale_after_us(telemetry_period_ms),
    }


def lasting_shape(asset: Asset, sample: Sample | None, setpoint_mw: float | None) -> Json:
    """The part of ``telemetry_shape`` that time does not change: all but the last two."""
    return {
        "asset_id": asset.id,
        "asset_name": asset.name,
        "site_id": asset.site_id,
        "agent_id": sample and sample.agent_id,
        "ts": sample and _time(sample.ts_us),
        "received_at": sample and _time(sample.received_us),
        "p_mw": sample and _number(sample.p_mw),
        "q_mvar": sample and _number(sample.q_mvar),
        "soc": sample and _number(sample.soc),
        "voltage_v": sample and _number(sample.voltage_v),
        "frequency_hz": sample and _number(sample.frequency_hz),
        "status": sample and _STATUS.get(sample.status, "unknown"),
        "quality": [] if sample is None else _quality(sample.quality),
        "setpoint_mw": _number(setpoint_mw),
    }


def bucket_shape(bucket: Bucket) -> Json:
    """All in MW; ``ts`` is the start of the step."""
    return {
        "ts": _time(bucket.start_us),
        "mean": _number(bucket.mean_mw),
        "min": _number(bucket.min_mw),
        "max": _number(bucket.max_mw),
        "last": _number(bucket.last_mw),
        "count": bucket.count,
    }


def heartbeat_shape(
    agent_id: str | None, heartbeat: HeartbeatRecord | None, *, now_us: int
) -> Json:
    """An agent's heartbeat; all unknown where it never sent one."""
    devices = () if heartbeat is None else heartbeat.devices
    return {
        "agent_id": agent_id,
        "ts": heartbeat and _time(heartbeat.ts_us),
        "received_at": heartbeat and _time(heartbeat.received_us),
        "uptime_s": heartbeat and heartbeat.uptime_ms / 1e3,
        "outbox_rows": heartbeat and heartbeat.outbox_rows,
        "devices": [{"asset_id": asset, "health": health} for asset, health in devices],
        "age_s": heartbeat and _seconds(max(0, now_us - heartbeat.received_us)),
    }


def session_shape(session: SessionRecord) -> Json:
    return {
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "connected_at": _time(session.connected_us),
        "ended_at": _time(session.ended_us),
        "end_reason": session.end_reason,
        "peer": session.peer,
        "software_version": session.software_version,
        "messages": session.messages,
        "samples": session.samples,
    }


def dispatch_shape(dispatch: Dispatch) -> Json:
    return {
        "id": dispatch.id,
        "group_id": dispatch.group_id,
        "asset_id": dispatch.asset_id,
        "mw": dispatch.mw,
        "duration_s": _seconds(dispatch.duration_us),
        "priority": dispatch.priority,
        "state": dispatch.state.value,
        "reason": dispatch.reason,
        "created_at": _time(dispatch.created_us),
        "start_at": _time(dispatch.start_us),
        "end_at": _time(dispatch.end_us),
        "expires_at": _time(dispatch.expires_us),
        "applied_mw": _number(dispatch.applied_mw),
        "superseded_by": dispatch.superseded_by,
        "suspended": dispatch.suspended,
        "interrupted_s": dispatch.interrupted_us / 1e6,
        "cancelling": dispatch.cancelling,
        "attempts": dispatch.attempts,
        "states": [
            {"state": change.state.value, "at": _time(change.at_us), "reason": change.reason}
            for change in dispatch.states
        ],
        "verdict": None,
    }


def _time(us: int | None) -> str | None:
    # An agent's clock may be anywhere.
    try:
        return None if us is None else format_us(us)
    except OverflowError:
        return None


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _quality(bits: int) -> list[str]:
    return [name for bit, name in _QUALITY if bits & bit]
