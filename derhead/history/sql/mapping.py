"""Records as rows, and rows as records. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from derhead.audit import AuditAction, AuditRecord
from derhead.dispatch import (
    Dispatch,
    DispatchGroup,
    FoundGroup,
    LeftOut,
    State,
    StateChange,
    UsedKey,
)
from derhead.gaps import GapRecord, HoleCause
from derhead.history.sql.row_types import (
    AUDIT,
    DISPATCHES,
    GAPS,
    GROUPS,
    LEVELS,
    SESSIONS,
    AuditRow,
    DispatchRow,
    GapRow,
    GroupRow,
    HeartbeatRow,
    LevelRow,
    Row,
    SessionRow,
    UsedKeyRow,
)
from derhead.service_levels import Latencies, LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample, SampleBlock

_DISPATCH = attrgetter(*DISPATCHES)
_SESSION = attrgetter(*SESSIONS)
_GAP = attrgetter(*GAPS)
_AUDIT = attrgetter(*AUDIT)
_LEVEL = attrgetter(*LEVELS)

MAX_INTEGER = 2**63 - 1
"""Largest integer of both engines; a larger counter is stored as this."""


def asset_ids(samples: Sequence[Sample]) -> Iterable[str]:
    """The assets of a batch."""
    if isinstance(samples, SampleBlock):
        return samples.asset_ids()
    return (sample.asset_id for sample in samples)


def boots(samples: Sequence[Sample]) -> Iterable[tuple[str, int]]:
    """The boots of a batch, as (agent, boot id)."""
    if isinstance(samples, SampleBlock):
        return ((samples.agent_id, samples.columns.boot_id),)
    return ((sample.agent_id, sample.boot_id) for sample in samples)


def telemetry_rows(
    samples: Sequence[Sample], assets: Mapping[str, int], boots: Mapping[tuple[str, int], int]
) -> Iterator[Row]:
    """Rows in the order of ``TELEMETRY``. SQLite stores NaN as NULL; both mean unknown."""
    if isinstance(samples, SampleBlock):
        # Straight from the message's columns: no sample is built.
        return samples.values(assets, boots[samples.agent_id, samples.columns.boot_id])
    return (
        _telemetry_row(sample, assets[sample.asset_id], boots[sample.agent_id, sample.boot_id])
        for sample in samples
    )


def _telemetry_row(sample: Sample, asset: int, boot: int) -> Row:
    return (
        asset,
        sample.ts_us,
        boot,
        sample.seq,
        sample.received_us,
        sample.p_mw,
        sample.q_mvar,
        sample.soc,
        sample.voltage_v,
        sample.frequency_hz,
        sample.status,
        sample.quality,
        sample.setpoint_mw,
    )


def to_sample(row: Row) -> Sample:
    """From a ``SampleRow``."""
    asset_id, agent_id, boot_id, *rest = row
    return Sample(asset_id, agent_id, int(boot_id), *rest)


def dispatch_row(dispatch: Dispatch) -> Row:
    """In the order of ``DISPATCHES``."""
    row = DispatchRow._make((*_DISPATCH(dispatch), None))
    interrupted_us = min(dispatch.interrupted_us, MAX_INTEGER)
    return row._replace(state=dispatch.state.value, interrupted_us=interrupted_us)[:-1]


def state_rows(dispatch: Dispatch) -> list[Row]:
    return [
        (dispatch.id, n, change.state.value, change.at_us, change.reason, change.detail)
        for n, change in enumerate(dispatch.states)
    ]


def to_dispatch(row: Row) -> Dispatch:
    """From a ``DispatchRow``.

    ``states`` may come in any order. Each is a row of ``DISPATCH_STATES`` without its first column,
    the dispatch's id.
    """
    fields = DispatchRow(*row)._asdict()
    states = fields.pop("states")
    fields["state"] = State(fields["state"])
    changes = tuple(
        StateChange(State(state), at_us, reason, detail)
        for _, state, at_us, reason, detail in sorted(json.loads(states or "[]"))
    )
    return Dispatch(**fields, states=changes)


def group_row(group: DispatchGroup) -> Row:
    data = {
        "left_out": [[left.asset_id, left.why] for left in group.left_out],
        "ordered_by": group.ordered_by,
        "withdrawn_by": group.withdrawn_by,
        # Last: see ``record_tables``.
        "cancelling": group.cancelling,
    }
    return (*(getattr(group, name) for name in GROUPS[:-1]), json.dumps(data))


def to_group(row: Row) -> DispatchGroup:
    """From a ``GroupRow``."""
    fields = GroupRow(*row)._asdict()
    data = json.loads(fields.pop("data"))
    # Older software wrote fewer members.
    left_out = tuple(LeftOut(asset_id, why) for asset_id, why in data.pop("left_out"))
    return DispatchGroup(**fields, left_out=left_out, **data)


def to_found_group(group: Row | None, parts: Sequence[Row]) -> FoundGroup | None:
    """From a ``GroupRow``, if it was found, and the rows of its parts."""
    return None if group is None else (to_group(group), list(map(to_dispatch, parts)))


def used_key_row(used: UsedKey) -> Row:
    return (used.key, used.fingerprint, used.kind, used.target_id, used.created_us)


def to_used_key(row: Row) -> UsedKey:
    """From a ``UsedKeyRow``."""
    return UsedKey(**UsedKeyRow(*row)._asdict())


def session_row(record: SessionRecord) -> Row:
    """A ``SessionRow``."""
    return SessionRow(*_SESSION(record))._replace(
        asset_ids=json.dumps(record.asset_ids),
        boot_id=str(record.boot_id),
        clock_offset_us=_bounded(record.clock_offset_us),
    )


def _bounded(value: int | None) -> int | None:
    return None if value is None else max(-MAX_INTEGER, min(value, MAX_INTEGER))


def to_session(row: Row) -> SessionRecord:
    """From a ``SessionRow``."""
    fields = SessionRow(*row)._asdict()
    fields["asset_ids"] = tuple(json.loads(fields["asset_ids"]))
    fields["boot_id"] = int(fields["boot_id"])
    return SessionRecord(**fields)


def heartbeat_row(record: HeartbeatRecord) -> Row:
    return (
        record.agent_id,
        record.received_us,
        record.ts_us,
        min(record.uptime_ms, MAX_INTEGER),
        min(record.outbox_rows, MAX_INTEGER),
        min(record.dropped_rows, MAX_INTEGER),
        json.dumps(record.devices),
    )


def to_heartbeat(row: Row) -> HeartbeatRecord:
    """From a ``HeartbeatRow``."""
    fields = HeartbeatRow(*row)._asdict()
    fields["devices"] = tuple((asset, health) for asset, health in json.loads(fields["devices"]))
    return HeartbeatRecord(**fields)


def audit_row(record: AuditRecord) -> Row:
    """An ``AuditRow``."""
    return AuditRow(*_AUDIT(record))._replace(action=record.action.value)


def to_audit(row: Row) -> AuditRecord:
    """From an ``AuditRow``."""
    fields = AuditRow(*row)._asdict()
    fields["action"] = AuditAction(fields["action"])
    return AuditRecord(**fields)


def gap_row(record: GapRecord) -> Row:
    """A ``GapRow``."""
    return GapRow(*_GAP(record))._replace(
        cause=record.cause.value,
        rows=_bounded(record.rows),
        backfilled=int(record.backfilled),
    )


SHOWN_CAUSES = ", ".join(f"'{each.value}'" for each in HoleCause if each is not HoleCause.NONE)
"""For SQL: the causes of gaps that are shown. Only damage writes one that is not known."""


def to_gap(row: Row) -> GapRecord:
    """From a ``GapRow``."""
    fields = GapRow(*row)._asdict()
    fields["cause"] = HoleCause(fields["cause"])
    fields["backfilled"] = bool(fields["backfilled"])
    return GapRecord(**fields)


def level_row(hour: LevelHour) -> Row:
    """A ``LevelRow``."""
    return LevelRow(*_LEVEL(hour))._replace(
        continues=int(hour.continues),
        received=hour.received.text(),
        started=hour.started.text(),
    )


def to_level(row: Row) -> LevelHour:
    """From a ``LevelRow``."""
    fields = LevelRow(*row)._asdict()
    fields["continues"] = bool(fields["continues"])
    fields["received"] = Latencies.parse(fields["received"])
    fields["started"] = Latencies.parse(fields["started"])
    return LevelHour(**fields)
