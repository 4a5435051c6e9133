"""The judge: gives every dispatch its verdict some seconds after it ended.

The journal knows which ended dispatches have no verdict, so the judge remembers nothing, and a
restart loses nothing. Telemetry may come late. The judge waits ``PERIODS`` for it, and up to a
quarter of an hour if much is missing and the agent is away or has rows to deliver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.verdicts.verdict import (
    Deviation,
    Judged,
    MeasuredTime,
    Reading,
    ReadingRange,
    Verdict,
    judge,
    measured_time,
    tolerance_mw,
    verdict_text,
)
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, Fleet
from derproto.der.v1 import QualityBit
from derproto.stdio.log_events import event_log

log = event_log(__name__)

DISPATCHES_A_PAGE = 100
"""Dispatches measured together. Their verdicts are one commit."""

PAGES_A_ROUND = 20
"""Pages of ended dispatches that one round judges. When full, the next round, at most 5 s later,
continues there."""

READINGS_A_PAGE = 1_000
"""Readings of one dispatch in memory at once. When full, they are summed up and the next are
read."""

LONGEST_PAUSE_S = 5.0
"""Longest pause between two rounds."""

PERIODS = 2.5
"""Telemetry periods that the judge waits after the end of a dispatch. If two readings are further
apart, the time between them does not count."""

LATEST_US = 900_000_000
"""Longest wait after the end for missing telemetry."""

TRY_AGAIN_US = 30_000_000
"""Pause before the next attempt if telemetry may still come."""

PUT_OFF = 10_000
"""Ended dispatches that wait for telemetry still on its way. When full, the next one is judged by
the telemetry that is there."""

COMPLETE = 0.9
"""Share of the time that readings must cover before the judge awaits no more of them."""

CLOCK_US = 250_000
"""Largest difference between the agent's clock and the headend's that transmission explains."""

_BACKFILLED, _STALE = int(QualityBit.BACKFILLED), int(QualityBit.STALE_DEVICE)


class VerdictStore(Protocol):
    """The part of the journal that the judge uses. Raises: JournalError."""

    async def unjudged(
        self, after: tuple[int, str] | None = None, *, limit: int
    ) -> Sequence[Dispatch]: ...

    async def readings(
        self, ranges: Sequence[ReadingRange], *, limit: int
    ) -> Sequence[Sequence[Reading]]: ...

    async def write(self, *records: Judged) -> None: ...


class Backlogs(Protocol):
    """The part of the sessions that the judge uses."""

    def backlog(self, asset_id: str) -> int | None:
        """Rows that the asset's agent still has to deliver; None if no agent holds it."""


@dataclass(slots=True)
class _Measurement:
    """A dispatch that is being measured."""

    dispatch: Dispatch
    asset: Asset
    deviation: Deviation | None
    wanted: ReadingRange | None
    offset_us: int


class Judge:
    """Measures dispatches by the telemetry of their assets.

    Resource handling: ``run`` is its one task. ``provisional`` needs no task.
    """

    def __init__(
        self,
        store: VerdictStore,
        fleet: Fleet,
        latest: LatestTable,
        agents: Backlogs,
        runtime: Runtime,
        *,
        telemetry_period_s: float,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._latest = latest
        self._agents = agents
        self._wall_us = runtime.wall_us
        self._gap_us = round(telemetry_period_s * PERIODS * 1e6)
        self._pause_s = min(LONGEST_PAUSE_S, max(1.0, telemetry_period_s))
        self._after: tuple[int, str] | None = None
        self._put_off: dict[str, int] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Judges ended dispatches until cancelled. While the journal fails, it tries again."""
        task_status.started()
        while True:
            await trio.sleep(self._pause_s)
            try:
                await self._judge_ended()
            except JournalError as error:
                log.warning("verdicts wait for the journal", reason=error)

    async def provisional(self, dispatch: Dispatch) -> Verdict | None:
        """The verdict so far, by the newest readings; None if the fleet has no such asset.

        Raises: JournalError.
        """
        asset = self._fleet.assets.get(dispatch.asset_id)
        if asset is None:
            return None
        case = self._open(dispatch, asset)
        if case.deviation is None or case.wanted is None:
            return judge(dispatch, asset, None, final=False)
        (found,) = await self._store.readings([case.wanted], limit=READINGS_A_PAGE)
        if len(found) == READINGS_A_PAGE:
            # Only the time of these readings is measured.
            span = case.deviation.span
            oldest_us = found[-1].key[0] - case.offset_us
            case.deviation = self._deviation(
                dispatch, asset, MeasuredTime(max(oldest_us, span.from_us), span.to_us, whole=False)
            )
        _feed(case.deviation, found, case.offset_us)
        case.deviation.close()
        return judge(dispatch, asset, case.deviation, final=False)

    async def _judge_ended(self) -> None:
        for _ in range(PAGES_A_ROUND):
            page = await self._store.unjudged(self._after, limit=DISPATCHES_A_PAGE)
            await self._judge_page(page)
            if len(page) < DISPATCHES_A_PAGE:
                self._after = None
                return
            self._after = (page[-1].created_us, page[-1].id)

    async def _judge_page(self, page: Sequence[Dispatch]) -> None:
        now_us = self._wall_us()
        judged: list[Judged] = []
        cases: list[_Measurement] = []
        for dispatch in page:
            if now_us < max(_ended_us(dispatch) + self._gap_us, self._put_off.get(dispatch.id, 0)):
                continue
            asset = self._fleet.assets.get(dispatch.asset_id)
            if asset is None:
                # The fleet no longer has the asset, and so no tolerance for it.
                judged.append(Judged(dispatch.id, "{}"))
            else:
                cases.append(self._open(dispatch, asset))
        await self._measure(cases)
        for case in cases:
            verdict = judge(case.dispatch, case.asset, case.deviation)
            if not self._puts_off(case, verdict, now_us):
                self._put_off.pop(case.dispatch.id, None)
                judged.append(Judged(case.dispatch.id, verdict_text(verdict)))
        if judged:
            await self._store.write(*judged)

    def _open(self, dispatch: Dispatch, asset: Asset) -> _Measurement:
        span = measured_time(dispatch, self._wall_us())
        if span is None:
            return _Measurement(dispatch, asset, None, None, 0)
        offset_us = clock_offset_us(self._latest.get(asset.id))
        wanted = ReadingRange(asset.id, span.from_us + offset_us, span.to_us + offset_us)
        return _Measurement(
            dispatch, asset, self._deviation(dispatch, asset, span), wanted, offset_us
        )

    def _deviation(self, dispatch: Dispatch, asset: Asset, span: MeasuredTime) -> Deviation:
        return Deviation(span, dispatch.mw, tolerance_mw=tolerance_mw(asset), gap_us=self._gap_us)

    async def _measure(self, cases: Sequence[_Measurement]) -> None:
        """Feeds each measurement all of its readings, a page of each at a time."""
        going = [case for case in cases if case.wanted is not None]
        while going:
            ranges = [case.wanted for case in going if case.wanted is not None]
            pages = await self._store.readings(ranges, limit=READINGS_A_PAGE)
            more = []
            for case, found in zip(going, pages, strict=True):
                if case.deviation is None or case.wanted is None:
                    continue
                _feed(case.deviation, found, case.offset_us)
                if len(found) < READINGS_A_PAGE:
                    case.deviation.close()
                else:
                    case.wanted = replace(case.wanted, before=found[-1].key)
                    more.append(case)
                await trio.lowlevel.checkpoint()
            going = more

    def _puts_off(self, case: _Measurement, verdict: Verdict, now_us: int) -> bool:
        """Whether telemetry may still come; then the dispatch is noted for a later attempt."""
        if case.deviation is None or verdict.covered >= COMPLETE:
            return False
        if now_us >= _ended_us(case.dispatch) + LATEST_US or len(self._put_off) >= PUT_OFF:
            return False
        backlog = self._agents.backlog(case.asset.id)
        newest = self._latest.get(case.asset.id)
        heard_us = 0 if newest is None else newest.ts_us - case.offset_us
        if backlog == 0 and heard_us >= case.deviation.span.to_us:
            return False
        self._put_off[case.dispatch.id] = now_us + TRY_AGAIN_US
        return True


def clock_offset_us(newest: Sample | None) -> int:
    """The agent's clock minus the headend's, by the newest live sample.

    A difference that transmission explains counts as 0, and so does a backfilled sample.
    """
    if newest is None or newest.quality & _BACKFILLED:
        return 0
    offset_us = newest.ts_us - newest.received_us
    return offset_us if abs(offset_us) > CLOCK_US else 0


def _feed(deviation: Deviation, readings: Sequence[Reading], offset_us: int) -> None:
    for reading in readings:
        # While a device does not answer, its agent repeats the last power.
        known = not reading.quality & _STALE
        deviation.take(reading.key[0] - offset_us, reading.p_mw if known else None)


def _ended_us(dispatch: Dispatch) -> int:
    return dispatch.states[-1].at_us
