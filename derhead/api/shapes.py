"""Records as JSON: one pure function a shape. Unknown numbers are null, times RFC 3339 UTC."""

from derhead.api.view import AgentView
from derhead.dispatch import Dispatch
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample, age_us
from derproto.base.fleet import Asset, Fleet
from derproto.base.timefmt import format_us
from derproto.der.v1 import OperatingState, QualityBit

Json = dict[str, object]

_MEASURED = (
    *("agent_id", "ts", "received_at", "p_mw", "q_mvar", "soc", "voltage_v", "frequency_hz"),
    "status",
)
_STATUS = {state.value: state.name.lower() for state in OperatingState}
_QUALITY = [(bit.value, bit.name.lower()) for bit in QualityBit if bit.value]


def asset_shape(asset: Asset, fleet: Fleet, holder: str | None) -> Json:
    return {
        "id": asset.id,
        "name": asset.name,
        "site_id": asset.site_id,
        "site_name": fleet.sites[asset.site_id].name,
        "kind": asset.kind.value,
        "rated_mw": asset.rated_mw,
        "limits": {"min_mw": asset.limits.min_mw, "max_mw": asset.limits.max_mw},
        "agent_id": holder,
        "online": holder is not None,
    }


def agent_shape(agent: AgentView) -> Json:
    return {
        "id": agent.id,
        "site_id": agent.site_id,
        "asset_ids": list(agent.asset_ids),
        "session_id": agent.session_id,
        "connected_at": format_us(agent.connected_us),
        "last_seen_at": format_us(agent.last_seen_us),
        "peer": agent.peer,
        "software_version": agent.software_version,
        "clock_offset_s": agent.clock_offset_us / 1e6,
        "outbox_rows": agent.outbox_rows,
        "duplicate_id": agent.duplicate_id,
    }


def telemetry_shape(
    asset: Asset, sample: Sample | None, *, setpoint_mw: float | None, now_us: int, stale_us: int
) -> Json:
    """An asset's newest sample; all null, and stale, for an asset that never spoke."""
    age = None if sample is None else age_us(sample, now_us)
    return {
        "asset_id": asset.id,
        "asset_name": asset.name,
        "site_id": asset.site_id,
        **_measured(sample),
        "setpoint_mw": setpoint_mw,
        "age_s": None if age is None else age / 1e6,
        "stale": age is None or age > stale_us,
    }


def sample_shape(asset: Asset, sample: Sample) -> Json:
    """A sample of history: as ``telemetry_shape``, but for its age, which it had long ago."""
    return {
        "asset_id": asset.id,
        "asset_name": asset.name,
        "site_id": asset.site_id,
        **_measured(sample),
        "setpoint_mw": sample.setpoint_mw,
    }


def _measured(sample: Sample | None) -> Json:
    if sample is None:
        return dict.fromkeys(_MEASURED) | {"quality": []}
    return {
        "agent_id": sample.agent_id,
        "ts": format_us(sample.ts_us),
        "received_at": format_us(sample.received_us),
        "p_mw": sample.p_mw,
        "q_mvar": sample.q_mvar,
        "soc": sample.soc,
        "voltage_v": sample.voltage_v,
        "frequency_hz": sample.frequency_hz,
        "status": None if sample.status == 0 else _STATUS.get(sample.status, "unknown"),
        "quality": [name for bit, name in _QUALITY if sample.quality & bit],
    }


def bucket_shape(bucket: Bucket) -> Json:
    """Active power over one step of time, MW."""
    return {
        "ts": format_us(bucket.start_us),
        "mean": bucket.mean_mw,
        "min": bucket.min_mw,
        "max": bucket.max_mw,
        "last": bucket.last_mw,
        "count": bucket.count,
    }


def heartbeat_shape(
    agent_id: str | None, heartbeat: HeartbeatRecord | None, now_us: int | None = None
) -> Json:
    """An agent's heartbeat; with ``now_us``, how old it is."""
    shape: Json = {"agent_id": agent_id}
    if heartbeat is None:
        shape |= {"ts": None, "received_at": None, "uptime_s": None, "outbox_rows": None}
        shape["devices"] = []
    else:
        shape |= {
            "ts": _time(heartbeat.ts_us),
            "received_at": format_us(heartbeat.received_us),
            "uptime_s": heartbeat.uptime_ms / 1000,
            "outbox_rows": heartbeat.outbox_rows,
            "devices": [
                {"asset_id": asset_id, "health": health} for asset_id, health in heartbeat.devices
            ],
        }
    if now_us is not None:
        late_us = None if heartbeat is None else max(0, now_us - heartbeat.received_us)
        shape["age_s"] = None if late_us is None else late_us / 1e6
    return shape


def session_shape(session: SessionRecord) -> Json:
    return {
        "session_id": session.session_id,
        "agent_id": session.agent_id,
        "connected_at": format_us(session.connected_us),
        "ended_at": _time(session.ended_us),
        "end_reason": session.end_reason,
        "peer": session.peer,
        "software_version": session.software_version,
        "messages": session.messages,
        "samples": session.samples,
    }


def dispatch_shape(dispatch: Dispatch) -> Json:
    duration_us = dispatch.duration_us
    return {
        "id": dispatch.id,
        "group_id": dispatch.group_id,
        "asset_id": dispatch.asset_id,
        "mw": dispatch.mw,
        "duration_s": None if duration_us is None else duration_us / 1e6,
        "priority": dispatch.priority,
        "ramp_mw_per_s": dispatch.ramp_mw_per_s,
        "state": dispatch.state.value,
        "reason": dispatch.reason,
        "detail": dispatch.detail,
        "created_at": format_us(dispatch.created_us),
        "start_at": format_us(dispatch.start_us),
        "end_at": _time(dispatch.end_us),
        "applied_mw": dispatch.applied_mw,
        "states": [
            {"state": change.state.value, "at": format_us(change.at_us), "reason": change.reason}
            for change in dispatch.states
        ],
        "verdict": None,
    }


def _time(us: int | None) -> str | None:
    """RFC 3339, or None for no time and for one that no calendar has."""
    try:
        return None if us is None else format_us(us)
    except OverflowError:
        return None
