"""Timelines as bytes and back: pure.

Each time is written relative to the moment of writing. A stamp records that moment by clocks that
outlive the process (``absence``). A restart may shorten a window, and never lengthens it. So if
the length of the absence is unknown, every window with an end is over. After another boot of the
machine, the headend counts as unheard. This holds orders back until the headend's clock has
corrected the absence.

The agent must tell the device a restored order in force again. The order counts as interrupted
from the last write until the device takes it.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from deragent.timelines.absence import Absence, Stamp, passed_s, same_boot
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.saved_values import (
    FARTHEST_CLOCK,
    clock_us,
    finite,
    flag,
    maybe,
    number,
    seconds,
    text,
    whole,
)
from deragent.timelines.seen_orders import SeenOrder
from deragent.timelines.timed_orders import InForce, Moment, Report, TimedOrder
from derproto.der.v1 import DispatchReason, DispatchState, Suspension

VERSION = 1
"""Version of the format. A newer one is refused."""
_MARK = "deragent-timelines"
# Written in the order of their definition: a new field goes last, with a default.
_ORDER_FIELDS = attrgetter(*(field.name for field in fields(TimedOrder)))
_REPORT_FIELDS = attrgetter(*(field.name for field in fields(Report)))
_INVALID = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What content raises that no agent wrote."""


class UnreadableTimelines(ValueError):
    """No agent of this version or an older one wrote these bytes."""


@dataclass(frozen=True, slots=True)
class SavedTimelines:
    """All that an agent saves, at one moment."""

    stamp: Stamp
    now: Moment
    """The same moment as ``stamp``."""
    timelines: Mapping[str, Timeline]
    """By asset id."""
    period_s: float | None = None
    """The telemetry period, seconds; None if unknown."""


# --- to bytes -------------------------------------------------------------------------------


def write_timelines(saved: SavedTimelines) -> bytes:
    """The timelines as bytes: a line with version and checksum, then JSON."""
    now = saved.now
    silent_us = _us(now.mono_s - now.heard_s) if math.isfinite(now.heard_s) else None
    body = json.dumps(
        {
            "wall_us": saved.stamp.wall_us,
            "boot": saved.stamp.boot,
            "up_us": saved.stamp.up_us,
            "headend_us": saved.stamp.headend_us,
            "doubtful_us": saved.stamp.doubtful_us,
            "silent_us": silent_us,
            "period_us": None if saved.period_s is None else _us(saved.period_s),
            "assets": {key: _write(line, now.mono_s) for key, line in saved.timelines.items()},
        }
    ).encode()
    return f"{_MARK} {VERSION} {_checksum(body)}\n".encode() + body


def _write(timeline: Timeline, now_s: float) -> dict[str, Any]:
    return {
        "returning": timeline.returning,
        "force": None if timeline.in_force is None else _write_force(timeline, now_s),
        "held": [_write_order(order, now_s) for order in timeline.held],
        "known": [_write_seen(seen, now_s) for seen in timeline.seen.values()],
    }


def _write_force(timeline: Timeline, now_s: float) -> dict[str, Any]:
    force = timeline.in_force
    assert force is not None
    return {
        "id": force.dispatch_id,
        "told": force.told,
        "complaint": force.complaint,
        "away_us": None if force.away_s is None else _us(now_s - force.away_s),
        "interrupted_us": _us(force.interrupted_s),
    }


def _write_order(order: TimedOrder, now_s: float) -> list[Any]:
    dispatch_id, mw, priority, start_s, end_s, *rest = _ORDER_FIELDS(order)
    end_us = None if end_s is None else _us(end_s - now_s)
    return [dispatch_id, mw, priority, _us(start_s - now_s), end_us, *rest]


def _write_seen(seen: SeenOrder, now_s: float) -> list[Any]:
    ended_us = None if seen.ended_s is None else _us(now_s - seen.ended_s)
    return [ended_us, *_REPORT_FIELDS(seen.report)]


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# --- and back -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadedTimelines:
    """What an earlier process of the agent saved, in its own times."""

    stamp: Stamp
    silent_s: float | None
    """Silence of the headend at that time; None if it was never heard."""
    assets: Mapping[str, Any]
    """By asset id, as written."""
    period_s: float | None = None
    """As in ``SavedTimelines``."""

    def heard_s(self, now: Moment, stamp: Stamp) -> float:
        """When the headend was last heard, monotonic seconds; -inf if unknown."""
        gone_s = passed_s(self.stamp, stamp)
        if gone_s is None or self.silent_s is None or not same_boot(self.stamp, stamp):
            return -math.inf
        return now.mono_s - gone_s - self.silent_s

    def absence(self, now: Moment, stamp: Stamp) -> Absence | None:
        """The absence that the headend's clock must correct.

        None if the absence is certain, or cannot be corrected.
        """
        gone_s = passed_s(self.stamp, stamp)
        doubtful_us = self.stamp.doubtful_us
        certain = doubtful_us is None and same_boot(self.stamp, stamp)
        if gone_s is None or self.stamp.headend_us == 0 or certain:
            return None
        # Consecutive absences without a message of the headend between them count as one.
        left_s = now.mono_s - gone_s - (doubtful_us or 0) / 1e6
        return Absence(self.stamp.headend_us, left_s)

    def timeline(self, asset_id: str, blank: Timeline, now: Moment, stamp: Stamp) -> Timeline:
        """An asset's timeline as of now; ``blank`` if none was saved.

        ``blank`` brings limits, default and failsafe, which may have changed since.

        Raises: UnreadableTimelines.
        """
        if asset_id not in self.assets:
            return blank
        try:
            return _read(self.assets[asset_id], blank, now, passed_s(self.stamp, stamp))
        except _INVALID as error:
            raise UnreadableTimelines(f"{asset_id}: {error!r}") from error


def read_timelines(data: bytes) -> LoadedTimelines:
    """Reads the bytes that ``write_timelines`` returned.

    Raises: UnreadableTimelines, with the reason in words.
    """
    head, _, body = data.partition(b"\n")
    mark, _, rest = head.decode(errors="replace").partition(" ")
    version, _, checksum = rest.partition(" ")
    # Python reads no number of thousands of digits.
    if mark != _MARK or not re.fullmatch("[0-9]{1,9}", version):
        raise UnreadableTimelines("it is not a file of timelines")
    if int(version) > VERSION:
        raise UnreadableTimelines(
            f"a newer deragent wrote it (format {version}, this one reads {VERSION})"
        )
    if checksum != _checksum(body):
        raise UnreadableTimelines("its checksum is wrong: it is damaged")
    try:
        said = json.loads(body)
        # Early versions of the agent wrote neither this nor the period.
        doubtful_us, period_us = said.get("doubtful_us"), said.get("period_us")
        stamp = Stamp(
            clock_us(said["wall_us"]),
            text(said["boot"]),
            clock_us(said["up_us"]),
            whole(said["headend_us"]),
            maybe(whole, doubtful_us),
        )
        period_s = maybe(seconds, period_us)
        return LoadedTimelines(
            stamp, maybe(seconds, said["silent_us"]), dict(said["assets"]), period_s
        )
    except _INVALID as error:
        raise UnreadableTimelines(f"its content is invalid: {error!r}") from error


def _read(said: Any, blank: Timeline, now: Moment, gone_s: float | None) -> Timeline:
    then_s = now.mono_s - (gone_s or 0.0)
    held = [_read_order(order, then_s) for order in said["held"]]
    if gone_s is None:
        held = [o if o.end_s is None else replace(o, end_s=now.mono_s) for o in held]
    seen = {k.report.dispatch_id: k for k in (_read_seen(k, then_s) for k in said["known"])}
    force = None if said["force"] is None else _read_force(said["force"], seen, then_s)
    held_ids = sorted(order.dispatch_id for order in held)
    if held_ids != sorted(key for key, each in seen.items() if each.ended_s is None):
        raise ValueError("its orders are not those that it reports as held")
    if force is not None and force.dispatch_id not in held_ids:
        raise ValueError("the order in force is not held")
    # If an order was in force, the device may follow any setpoint now.
    returning = flag(said["returning"]) or force is not None
    # The asset's limits may have been narrowed since.
    for order in [order for order in held if order.mw not in blank.limits]:
        held.remove(order)
        if force is not None and force.dispatch_id == order.dispatch_id:
            force = None
        # Goes last, since ended ids are in the order of their end.
        was = seen.pop(order.dispatch_id).report
        seen[order.dispatch_id] = SeenOrder(_refused(was, now), now.mono_s)
    return replace(
        blank,
        held=tuple(held),
        in_force=force,
        returning=returning,
        default_due_s=now.mono_s if returning else None,
        seen=MappingProxyType(seen),
    )


def _refused(was: Report, now: Moment) -> Report:
    return replace(
        was,
        state=DispatchState.REJECTED,
        ts_us=now.wall_us,
        reason=DispatchReason.OUT_OF_RANGE,
        detail="the asset's limits were narrowed",
        suspended=Suspension.UNSPECIFIED,
        revision=was.revision + 1,
    )


def _read_force(said: Any, seen: Mapping[str, SeenOrder], then_s: float) -> InForce:
    dispatch_id, away_us = text(said["id"]), said["away_us"]
    away_s = None
    if away_us is not None:
        away_s = then_s - seconds(away_us)
    elif seen[dispatch_id].report.state is DispatchState.STARTED:
        away_s = then_s
    return InForce(
        dispatch_id,
        told=flag(said["told"]),
        complaint=text(said["complaint"]),
        away_s=away_s,
        interrupted_s=seconds(said["interrupted_us"]),
    )


def _read_order(said: Any, then_s: float) -> TimedOrder:
    dispatch_id, mw, priority, start_us, end_us, *rest = said
    end_s = None if end_us is None else then_s + whole(end_us, -FARTHEST_CLOCK) / 1e6
    order = TimedOrder(dispatch_id, mw, priority, then_s + seconds(start_us), end_s, *rest)
    return replace(
        order,
        dispatch_id=text(order.dispatch_id),
        mw=finite(order.mw),
        priority=whole(order.priority),
        ramp_mw_per_s=maybe(number, order.ramp_mw_per_s),
        ordered_us=whole(order.ordered_us),
        from_us=whole(order.from_us),
        until_us=maybe(whole, order.until_us),
    )


def _read_seen(said: Any, then_s: float) -> SeenOrder:
    ended_us, *values = said
    read = Report(*values)
    report = replace(
        read,
        dispatch_id=text(read.dispatch_id),
        state=DispatchState(whole(read.state)),
        ts_us=whole(read.ts_us, -(2**63), 2**63 - 1),
        reason=DispatchReason(whole(read.reason)),
        applied_mw=maybe(number, read.applied_mw),
        detail=text(read.detail),
        superseded_by=text(read.superseded_by),
        suspended=Suspension(whole(read.suspended)),
        interrupted_us=whole(read.interrupted_us, 0, 2**64 - 1),
        revision=whole(read.revision, 0, 2**31),
    )
    return SeenOrder(report, None if ended_us is None else then_s - seconds(ended_us))
