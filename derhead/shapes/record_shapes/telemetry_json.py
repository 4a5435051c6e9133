"""Samples, buckets of samples, and gaps between them as JSON: pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.gaps import GapRecord
from derhead.shapes.record_shapes.values import (
    GapCauseName,
    OperatingStatus,
    QualityName,
    Time,
    Uuid,
    number_of,
    seconds_of,
    time_of,
)
from derhead.telemetry import Bucket, Sample, age_us, stale_after_us
from derproto.configuration.fleet import Asset
from derproto.der.v1 import OperatingState, QualityBit


class SampleJson(TypedDict):
    """One asset at one time, without the members that time changes."""

    asset_id: Uuid
    asset_name: str
    site_id: Uuid
    agent_id: str | None
    ts: Annotated[Time | None, Meta(description="When it was measured, by the agent's clock.")]
    received_at: Annotated[
        Time | None, Meta(description="When it was received, by the headend's clock.")
    ]
    p_mw: Annotated[
        float | None,
        Meta(description="Active power, MW; positive = generation, negative = consumption."),
    ]
    q_mvar: Annotated[float | None, Meta(description="Reactive power, Mvar; positive = injected.")]
    soc: Annotated[float | None, Meta(description="State of charge, 0 to 1.")]
    voltage_v: Annotated[float | None, Meta(description="Line-to-neutral voltage, V.")]
    frequency_hz: Annotated[float | None, Meta(description="Frequency, Hz.")]
    status: Annotated[OperatingStatus | None, Meta(description="The device's operating state.")]
    quality: Annotated[list[QualityName], Meta(description="Doubts about the sample.")]
    setpoint_mw: Annotated[
        float | None,
        Meta(description="Setpoint of the dispatch in force, MW; null if there is none."),
    ]


class TelemetryJson(SampleJson):
    """One asset at one time."""

    age_s: Annotated[
        float | None,
        Meta(
            description="Since it was measured, seconds; since it was received, where `clock_skew`."
        ),
    ]
    stale: Annotated[
        bool,
        Meta(
            description="Older than 10 s or 2.5 telemetry periods, whichever is longer; or not"
            " newer than the headend's start; or never sent."
        ),
    ]


class BucketJson(TypedDict):
    """An asset's active power over one step of time, MW."""

    ts: Annotated[Time | None, Meta(description="Start of the step.")]
    mean: float | None
    min: float | None
    max: float | None
    last: float | None
    count: Annotated[int, Meta(description="Samples in the step, at least 1.")]


class GapJson(TypedDict):
    """A stretch of an asset's history without samples, also if later samples filled it."""

    id: str
    asset_id: Uuid
    start: Annotated[
        Time | None,
        Meta(description="The last sample before; if reported, the first that is missing."),
    ]
    end: Annotated[
        Time | None,
        Meta(
            description="The first sample after; if reported, the last that is missing."
            " Null while it lasts."
        ),
    ]
    cause: GapCauseName
    rows: Annotated[
        int | None, Meta(description="Samples that are missing, where the agent counted them.")
    ]
    backfilled: Annotated[bool, Meta(description="Later samples have closed it.")]
    filled_until: Annotated[
        Time | None, Meta(description="Up to where later samples have closed it.")
    ]
    agent_id: str | None


_STATUS: Mapping[int, OperatingStatus] = {
    state.value: state.name.lower() for state in OperatingState if state.value != 0
}


_QUALITY: Sequence[tuple[int, QualityName]] = [
    (bit.value, bit.name.lower()) for bit in QualityBit if bit.value != 0
]


def telemetry_shape(
    asset: Asset,
    sample: Sample | None,
    *,
    setpoint_mw: float | None,
    now_us: int,
    telemetry_period_ms: int,
    restored: bool = False,
) -> TelemetryJson:
    """An asset's sample; all null, and stale, if the asset never had one.

    ``restored``: the sample is from before the headend's start, and so stale whatever its age.
    """
    age = None if sample is None else age_us(sample, now_us)
    return {
        **sample_shape(asset, sample, setpoint_mw),
        "age_s": seconds_of(age),
        "stale": restored or age is None or age > stale_after_us(telemetry_period_ms),
    }


def sample_shape(asset: Asset, sample: Sample | None, setpoint_mw: float | None) -> SampleJson:
    """``telemetry_shape`` without its last two members, which time changes."""
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
    """Power in MW; ``ts`` is the start of the step."""
    return {
        "ts": time_of(bucket.start_us),
        "mean": number_of(bucket.mean_mw),
        "min": number_of(bucket.min_mw),
        "max": number_of(bucket.max_mw),
        "last": number_of(bucket.last_mw),
        "count": bucket.count,
    }


def gap_shape(gap: GapRecord) -> GapJson:
    """``end`` is null while the gap lasts, ``rows`` if nobody counted the missing samples."""
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


def _quality(bits: int) -> list[QualityName]:
    return [name for bit, name in _QUALITY if bits & bit]
