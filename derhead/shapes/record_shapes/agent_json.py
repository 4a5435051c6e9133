"""Agents, their sessions and their heartbeats as JSON: pure."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.shapes.record_shapes.values import Time, Uuid, seconds_of, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedAgent:
    """An agent that is connected now. Times are microseconds since the epoch, UTC."""

    id: str
    site_id: str | None
    asset_ids: tuple[str, ...]
    """The assets that its session was granted."""
    session_id: str
    connected_us: int
    last_seen_us: int
    peer: str
    software_version: str
    clock_offset_us: int
    """The agent's clock minus the headend's."""
    outbox_rows: int
    duplicate_id: bool
    """Several agents seem to use this id."""
    certificate_end_us: int | None = None
    """When its certificate ends; None = it came without one."""


class AgentJson(TypedDict):
    """An agent that is connected now."""

    id: str
    site_id: Uuid | None
    asset_ids: Annotated[list[Uuid], Meta(description="Assets that its session was granted.")]
    session_id: Uuid
    connected_at: Time | None
    last_seen_at: Annotated[Time | None, Meta(description="When its last message came.")]
    peer: Annotated[str, Meta(description="Its address and port.")]
    software_version: str
    clock_offset_s: Annotated[
        float | None, Meta(description="Its clock minus the headend's, seconds.")
    ]
    outbox_rows: Annotated[int, Meta(description="Samples that it has not delivered yet.")]
    duplicate_id: Annotated[
        bool, Meta(description="Several agents seem to use this id, and end each other's sessions.")
    ]
    certificate_expires_at: Annotated[
        Time | None,
        Meta(description="When its certificate ends; null if it came without one."),
    ]


class SessionJson(TypedDict):
    """One stream of one agent, from Register to its end."""

    session_id: Uuid
    agent_id: str
    connected_at: Time | None
    ended_at: Annotated[Time | None, Meta(description="null while it lasts.")]
    end_reason: str | None
    clock_offset_s: Annotated[
        float | None,
        Meta(description="The agent's clock minus the headend's, when it registered, seconds."),
    ]
    peer: str
    software_version: str
    messages: int
    samples: int


class DeviceJson(TypedDict):
    """The health of an asset's device, as its agent sees it."""

    asset_id: Uuid
    health: str


class HeartbeatJson(TypedDict):
    """An agent's health at one time; all null if the agent never reported."""

    agent_id: str | None
    ts: Annotated[Time | None, Meta(description="Written, by the agent's clock.")]
    received_at: Time | None
    uptime_s: Annotated[float | None, Meta(description="Since the agent's start, seconds.")]
    outbox_rows: Annotated[int | None, Meta(description="Samples that it had not delivered yet.")]
    devices: list[DeviceJson]
    age_s: Annotated[float | None, Meta(description="Since it was received, seconds.")]


def agent_shape(agent: ConnectedAgent) -> AgentJson:
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
        "certificate_expires_at": time_of(agent.certificate_end_us),
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


def heartbeat_shape(
    agent_id: str | None, heartbeat: HeartbeatRecord | None, *, now_us: int
) -> HeartbeatJson:
    """An agent's heartbeat; all null if it never sent one."""
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
