"""The judge: gives every dispatch its verdict, some seconds after it ended.

One task. The journal knows which dispatches have ended without a verdict, so nothing is
remembered here and nothing is lost with the process. Telemetry comes late: the judge gives
it ``grace_us``, and where much of it is missing and may still come, since the agent is away
or has rows to deliver, up to a quarter of an hour.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from derhead.dispatch.life.lifecycle import Dispatch
from derhead.dispatch.verdicts.verdict import (
    Judged,
    Meter,
    Reading,
    Span,
    Stretch,
    Verdict,
    judge,
    measured_span,
    tolerance_mw,
    verdict_text,
)
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, Sample
from derproto.base.fleet import Asset, Fleet
from derproto.base.runtime import Runtime
from derproto.der.v1 import QualityBit

log = logging.getLogger(__name__)

DISPATCHES_A_PAGE = 100
"""Dispatches that are looked at together, and whose verdicts are one commit."""

PAGES_A_LOOK = 20
"""Pages of ended dispatches that one round judges. When full, the next round, at most 5 s later,
continues there."""

READINGS_A_PAGE = 1_000
"""Readings of one dispatch in memory at once. When full, they are summed up and the next are
read."""

LONGEST_LOOK_S = 5.0
"""Longest pause between two looks."""

PERIODS = 2.5
"""Telemetry periods after the end that telemetry is given to come, and the time between two
readings beyond which nobody knows."""

LATEST_US = 900_000_000
"""How long after the end missing telemetry is waited for."""

TRY_AGAIN_US = 30_000_000
"""How long one is put off for which telemetry may still come."""

PUT_OFF = 10_000
"""Ended dispatches that wait for telemetry still on its way. When full, the next one is judged by
the telemetry that is there."""

COMPLETE = 0.9
"""Share of the time covered from which nothing more is waited for."""

CLOCK_US = 250_000
"""Difference between agent's and headend's clock below which it is the message's way."""

_BACKFILLED, _STALE = int(QualityBit.BACKFILLED), int(QualityBit.STALE_DEVICE)


class VerdictStore(Protocol):
    """What the judge needs of the journal. Raises: JournalError."""

    async def unjudged(
        self, after: tuple[int, str] | None = None, *, limit: int
    ) -> Sequence[Dispatch]: ...

    async def readings(
        self, stretches: Sequence[Stretch], *, limit: int
    ) -> Sequence[Sequence[Reading]]: ...

    async def write(self, *records: Judged) -> None: ...


class Backlogs(Protocol):
    """What the judge needs to know of agents."""

    def backlog(self, asset_id: str) -> int | None:
        """Rows that the asset's agent has yet to deliver; None if none holds it now."""


@dataclass(slots=True)
class _Case:
    """A dispatch that is being measured."""

    dispatch: Dispatch
    asset: Asset
    meter: Meter | None
    stretch: Stretch | None
    offset_us: int


class Judge:
    """Measures dispatches by their assets' telemetry.

    Resource handling: ``run`` is its one task; ``provisional`` needs no task.
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
        self._look_s = min(LONGEST_LOOK_S, max(1.0, telemetry_period_s))
        self._after: tuple[int, str] | None = None
        self._put_off: dict[str, int] = {}

    @property
    def grace_us(self) -> int:
        """How long after a dispatch's end its telemetry is given to come."""
        return self._gap_us

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Judges what has ended, until cancelled; while the journal fails, later."""
        task_status.started()
        while True:
            await trio.sleep(self._look_s)
            try:
                await self._look()
            except JournalError as error:
                log.warning("verdicts wait for the journal: %s", error)

    async def provisional(self, dispatch: Dispatch) -> Verdict | None:
        """The verdict so far, by the newest readings; None for an asset that is no more.

        Raises: JournalError.
        """
        asset = self._fleet.assets.get(dispatch.asset_id)
        if asset is None:
            return None
        case = self._open(dispatch, asset)
        if case.meter is None or case.stretch is None:
            return judge(dispatch, asset, None, final=False)
        (found,) = await self._store.readings([case.stretch], limit=READINGS_A_PAGE)
        if len(found) == READINGS_A_PAGE:
            # It is measured as far back as these go.
            span = case.meter.span
            oldest_us = found[-1].key[0] - case.offset_us
            case.meter = self._meter(
                dispatch, asset, Span(max(oldest_us, span.from_us), span.to_us, whole=False)
            )
        _feed(case.meter, found, case.offset_us)
        case.meter.close()
        return judge(dispatch, asset, case.meter, final=False)

    async def _look(self) -> None:
        for _ in range(PAGES_A_LOOK):
            page = await self._store.unjudged(self._after, limit=DISPATCHES_A_PAGE)
            await self._judge_page(page)
            if len(page) < DISPATCHES_A_PAGE:
                self._after = None
                return
            self._after = (page[-1].created_us, page[-1].id)

    async def _judge_page(self, page: Sequence[Dispatch]) -> None:
        now_us = self._wall_us()
        judged: list[Judged] = []
        cases: list[_Case] = []
        for dispatch in page:
            if now_us < max(_ended_us(dispatch) + self._gap_us, self._put_off.get(dispatch.id, 0)):
                continue
            asset = self._fleet.assets.get(dispatch.asset_id)
            if asset is None:
                # The fleet no longer has it: nobody knows its tolerance.
                judged.append(Judged(dispatch.id, "{}"))
            else:
                cases.append(self._open(dispatch, asset))
        await self._measure(cases)
        for case in cases:
            verdict = judge(case.dispatch, case.asset, case.meter)
            if not self._puts_off(case, verdict, now_us):
                self._put_off.pop(case.dispatch.id, None)
                judged.append(Judged(case.dispatch.id, verdict_text(verdict)))
        if judged:
            await self._store.write(*judged)

    def _open(self, dispatch: Dispatch, asset: Asset) -> _Case:
        span = measured_span(dispatch, self._wall_us())
        if span is None:
            return _Case(dispatch, asset, None, None, 0)
        offset_us = clock_offset_us(self._latest.get(asset.id))
        stretch = Stretch(asset.id, span.from_us + offset_us, span.to_us + offset_us)
        return _Case(dispatch, asset, self._meter(dispatch, asset, span), stretch, offset_us)

    def _meter(self, dispatch: Dispatch, asset: Asset, span: Span) -> Meter:
        return Meter(span, dispatch.mw, tolerance_mw=tolerance_mw(asset), gap_us=self._gap_us)

    async def _measure(self, cases: Sequence[_Case]) -> None:
        """Feeds each case's meter with all of its readings, a page of each at a time."""
        going = [case for case in cases if case.stretch is not None]
        while going:
            stretches = [case.stretch for case in going if case.stretch is not None]
            pages = await self._store.readings(stretches, limit=READINGS_A_PAGE)
            more = []
            for case, found in zip(going, pages, strict=True):
                if case.meter is None or case.stretch is None:
                    continue
                _feed(case.meter, found, case.offset_us)
                if len(found) < READINGS_A_PAGE:
                    case.meter.close()
                else:
                    stretch = case.stretch
                    case.stretch = Stretch(
                        stretch.asset_id, stretch.from_us, stretch.to_us, found[-1].key
                    )
                    more.append(case)
                await trio.lowlevel.checkpoint()
            going = more

    def _puts_off(self, case: _Case, verdict: Verdict, now_us: int) -> bool:
        """Notes to try again later, if that may help."""
        if case.meter is None or verdict.covered >= COMPLETE:
            return False
        if now_us >= _ended_us(case.dispatch) + LATEST_US or len(self._put_off) >= PUT_OFF:
            return False
        backlog = self._agents.backlog(case.asset.id)
        newest = self._latest.get(case.asset.id)
        heard_us = 0 if newest is None else newest.ts_us - case.offset_us
        if backlog == 0 and heard_us >= case.meter.span.to_us:
            return False
        self._put_off[case.dispatch.id] = now_us + TRY_AGAIN_US
        return True


def clock_offset_us(newest: Sample | None) -> int:
    """The agent's clock minus the headend's, as far as a live sample tells.

    What a message needs on its way, and a backfilled sample, tell nothing.
    """
    if newest is None or newest.quality & _BACKFILLED:
        return 0
    offset_us = newest.ts_us - newest.received_us
    return offset_us if abs(offset_us) > CLOCK_US else 0


def _feed(meter: Meter, readings: Sequence[Reading], offset_us: int) -> None:
    for reading in readings:
        # A device that did not answer only seems to hold what it did.
        known = not reading.quality & _STALE
        meter.take(reading.key[0] - offset_us, reading.p_mw if known else None)


def _ended_us(dispatch: Dispatch) -> int:
    return dispatch.states[-1].at_us
