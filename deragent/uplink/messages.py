"""Conversions between the agent's values and the messages of the contract: pure."""

import math
from collections.abc import Iterable, Sequence

from deragent.outbox import Gap, Outbox, OutboxRow
from deragent.timelines.timed_orders import Report, TimedOrder
from deragent.uplink.session_clock import SessionClock
from derproto.der import v1

REGISTER_REPORTS = 2048
"""Reports in a Register, those of held dispatches apart: 0.9 MB of the 1 MiB that a Register may
have. When full, those of the oldest ended dispatches are left out."""
HELD_REPORTS = 8192
"""Reports of held dispatches in a Register: 85 assets with a quarter-hourly schedule of a day,
0.9 MB. When full, the headend assumes that the agent forgot the rest, and cancels each when it
begins."""


_HELD = frozenset({v1.DispatchState.RECEIVED, v1.DispatchState.STARTED})


def write_telemetry(boot_id: int, rows: Sequence[OutboxRow], *, backfill: bool) -> v1.AgentMessage:
    """A message of at least one row, by columns. Sequence numbers are consecutive.

    A column without any known value is left out; a single unknown value is NaN.
    """
    measured = [row.measurement for row in rows]
    status = [int(m.status) for m in measured]
    quality = [row.quality for row in rows]
    return v1.AgentMessage(
        telemetry=v1.Telemetry(
            boot_id=boot_id,
            first_seq=rows[0].seq,
            asset_index=[row.asset_index for row in rows],
            ts_us=[row.ts_us for row in rows],
            p_mw=[math.nan if m.p_mw is None else m.p_mw for m in measured],
            q_mvar=_column(m.q_mvar for m in measured),
            soc=_column(m.soc for m in measured),
            voltage_v=_column(m.voltage_v for m in measured),
            frequency_hz=_column(m.frequency_hz for m in measured),
            status=status if any(status) else [],
            quality=quality if any(quality) else [],
            backfill=backfill,
        )
    )


def _column(values: Iterable[float | None]) -> list[float]:
    column = list(values)
    if all(value is None for value in column):
        return []
    return [math.nan if value is None else value for value in column]


def write_outbox(outbox: Outbox) -> v1.Outbox:
    """The fill level of the outbox, in memory and on disk."""
    return v1.Outbox(
        rows=len(outbox),
        oldest_ts_us=outbox.oldest_ts_us,
        newest_ts_us=outbox.newest_ts_us,
        dropped_rows=outbox.dropped_rows,
    )


def write_gap(gap: Gap) -> v1.GapReport:
    """The report on a stretch that will never be sent."""
    return v1.GapReport(
        boot_id=gap.boot_id,
        number=gap.number,
        revision=gap.revision,
        asset_index=gap.asset_index,
        cause=gap.cause,
        start_us=gap.start_us,
        end_us=gap.end_us,
        rows=gap.rows,
    )


def write_report(asset_index: int, report: Report) -> v1.DispatchReport:
    """The report on a dispatch."""
    return v1.DispatchReport(
        dispatch_id=report.dispatch_id,
        asset_index=asset_index,
        state=report.state,
        reason=report.reason,
        applied_mw=report.applied_mw,
        ts_us=report.ts_us,
        detail=report.detail[:256],
        superseded_by=report.superseded_by,
        suspended=report.suspended,
        interrupted_us=report.interrupted_us,
        revision=report.revision,
    )


def register_reports(reports: Iterable[tuple[int, Report]]) -> list[tuple[int, Report]]:
    """The reports for a Register, each with its asset's index.

    Held dispatches come first: the headend assumes that the agent forgot any dispatch missing
    from the Register. Then come those that ended last.
    """
    held: list[tuple[int, Report]] = []
    ended: list[tuple[int, Report]] = []
    for pair in reports:
        (held if pair[1].state in _HELD else ended).append(pair)
    ended.sort(key=lambda pair: pair[1].ts_us, reverse=True)
    room = max(0, REGISTER_REPORTS - len(held))
    return held[:HELD_REPORTS] + ended[:room]


def read_setpoint(setpoint: v1.Setpoint, clock: SessionClock) -> TimedOrder:
    """The order, with its window on the agent's monotonic clock, the message's delay deducted."""
    sent_s = clock.mono_s(setpoint.sent_at_session_us)
    remaining_us, ramp = setpoint.remaining_us, setpoint.ramp_mw_per_s
    return TimedOrder(
        dispatch_id=setpoint.dispatch_id,
        mw=setpoint.mw,
        priority=setpoint.priority,
        start_s=sent_s + setpoint.start_delay_us / 1e6,
        end_s=None if remaining_us is None else sent_s + remaining_us / 1e6,
        # A rate of 0 or less is no limit.
        ramp_mw_per_s=ramp if ramp is not None and ramp > 0 else None,
        ordered_us=setpoint.ordered_us,
        from_us=setpoint.start_us,
        until_us=None if remaining_us is None else setpoint.end_us,
    )


def ranges(runs: Iterable[v1.SeqRange | None]) -> list[tuple[int, int]]:
    """Ranges of sequence numbers as (first, last) pairs."""
    return [(run.first, run.last) for run in runs if run is not None]
