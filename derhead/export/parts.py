"""The histories of an export, one after the other."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from derhead.export.export_request import ExportRequest
from derhead.history import History, Page
from derhead.sessions import HeartbeatRecord
from derhead.shapes import (
    BucketJson,
    DispatchJson,
    GapJson,
    HeartbeatJson,
    SampleJson,
    SessionJson,
    bucket_shape,
    columns_of,
    dispatch_shape,
    gap_shape,
    heartbeat_shape,
    sample_shape,
    session_shape,
)
from derhead.telemetry import Bucket, Sample
from derproto.configuration.fleet import Asset

COLUMNS: Mapping[str, Sequence[str]] = {
    "telemetry": columns_of(SampleJson),
    "steps": ("asset_id", "asset_name", *columns_of(BucketJson)),
    "dispatches": columns_of(DispatchJson),
    "gaps": columns_of(GapJson),
    "sessions": columns_of(SessionJson),
    "heartbeats": tuple(name for name in columns_of(HeartbeatJson) if name != "age_s"),
}
"""The columns of each history: those of REST, without the ones that change as time passes."""


Ask = Callable[..., Awaitable[Page[Any]]]
"""Reads a page of a history. Arguments: the history's asset or agent, then a ``PageRequest``."""


@dataclass(frozen=True, slots=True)
class ExportPart:
    """The history of one asset or agent, or of all."""

    name: str
    """The asset's or agent's name, for people; empty = all."""
    ask: Ask
    """Reads a page of this part. Takes only a ``PageRequest``."""
    shape: Callable[[Any], Mapping[str, object]]
    when: Callable[[Any], int]
    """The time that orders the items."""


def columns(request: ExportRequest) -> Sequence[str]:
    return COLUMNS["steps" if request.query.step_us is not None else request.what]


def parts(request: ExportRequest, history: History, agents: Sequence[str]) -> Sequence[ExportPart]:
    """The parts, in the order of writing. ``agents`` are all agents that ever existed."""
    step_us = request.query.step_us

    def of_assets(
        ask: Ask, shape: Callable[[Asset, Any], Mapping[str, object]], when: Callable[[Any], int]
    ) -> Sequence[ExportPart]:
        return [
            ExportPart(
                asset.name or asset.id,
                partial(ask, asset.id),
                partial(shape, asset),
                when,
            )
            for asset in request.assets or ()
        ]

    def of_agents(
        ask: Ask, shape: Callable[[Any], Mapping[str, object]], when: Callable[[Any], int]
    ) -> Sequence[ExportPart]:
        chosen = agents if request.agents is None else request.agents
        return [ExportPart(agent_id, partial(ask, agent_id), shape, when) for agent_id in chosen]

    match request.what:
        case "telemetry" if step_us is not None:
            ask_steps = partial(history.telemetry_buckets, step_us=step_us)
            return of_assets(ask_steps, _step, lambda bucket: int(bucket.start_us))
        case "telemetry":
            return of_assets(history.telemetry_history, _sample, lambda sample: int(sample.ts_us))
        case "gaps":
            return of_assets(
                history.gaps, lambda _, gap: gap_shape(gap), lambda gap: int(gap.start_us)
            )
        case "dispatches":
            ids = None if request.assets is None else [asset.id for asset in request.assets]
            ask = partial(history.dispatch_history, asset_ids=ids)
            return [ExportPart("", ask, dispatch_shape, lambda dispatch: int(dispatch.created_us))]
        case "sessions":
            return of_agents(
                history.sessions, session_shape, lambda session: int(session.connected_us)
            )
        case "heartbeats":
            return of_agents(
                history.heartbeats, _heartbeat, lambda heartbeat: int(heartbeat.received_us)
            )
        case _:
            raise AssertionError(request.what)


def _sample(asset: Asset, sample: Sample) -> Mapping[str, object]:
    return sample_shape(asset, sample, sample.setpoint_mw)


def _step(asset: Asset, bucket: Bucket) -> Mapping[str, object]:
    return {"asset_id": asset.id, "asset_name": asset.name, **bucket_shape(bucket)}


def _heartbeat(heartbeat: HeartbeatRecord) -> Mapping[str, object]:
    return heartbeat_shape(heartbeat.agent_id, heartbeat, now_us=heartbeat.received_us)
