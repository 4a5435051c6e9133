"""The verdict of a dispatch: how soon and how well telemetry shows that it was followed. Pure.

A dispatch is measured from ``started`` to the end of its window, or to its own end if that is
earlier. Between two readings power is taken as a straight line. Before the first reading power is
taken as that reading, and after the last as the last. If two readings are further apart than
``gap_us``, the time between them does not count: it neither adds an error nor hides one.

- ``achieved``: the power came within the asset's tolerance in the first half of the covered time,
  and its mean absolute error from then on was within tolerance. The error is absolute, so that too
  much power now does not make up for too little before.
- ``deviating``: it did not.
- ``unmeasured``: readings cover less than half of the time.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import State
from derproto.configuration.fleet import Asset

LONGEST_US = 7 * 86_400_000_000
"""A dispatch is measured over its last 7 days at most."""

COVERED = 0.5
"""Least share of the time that readings must cover for a verdict."""

HELD = 0.5
"""Least share of the covered time that must follow the first reading within tolerance."""

SLACK_MW = 5e-7
"""Half a watt, for rounding: floats seldom hold a tolerance in per cent exactly."""


class VerdictOutcome(StrEnum):
    """Whether an asset followed its dispatch."""

    ACHIEVED = "achieved"
    """Its power came within tolerance, and on average stayed there."""
    DEVIATING = "deviating"
    """Its power did not."""
    UNMEASURED = "unmeasured"
    """The dispatch never started, or readings cover too little of its time."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Time that a dispatch took to reach each state, milliseconds; None = it never did."""

    sent_ms: float | None = None
    """From the order. None also while ``sent`` is the newest state: its time is not final yet."""
    received_ms: float | None = None
    """From the order."""
    started_ms: float | None = None
    """From the order, or from the start of its window where that is later."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The measured figures. ``final`` once no further reading is awaited."""

    outcome: VerdictOutcome
    latency: Latency
    tolerance_mw: float
    """Largest difference from the setpoint that counts as none."""
    within_tolerance_ms: float | None = None
    """From ``started`` until the first reading within tolerance; None = none was."""
    mean_error_mw: float | None = None
    """Mean absolute difference from the setpoint over the covered time."""
    held_error_mw: float | None = None
    """The same since the first reading within tolerance; None = none was."""
    covered: float = 0.0
    """Share of the time that readings cover, 0..1."""
    samples: int = 0
    """Readings in the measured time."""
    final: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of an ended dispatch, to be journaled."""

    dispatch_id: str
    text: str
    """As ``verdict_text`` writes it."""


ReadingKey = tuple[int, int, int]
"""Time by the agent's clock, boot and sequence number: the order of readings."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The part of a sample that a verdict needs."""

    key: ReadingKey
    p_mw: float | None
    quality: int
    """Bits as in ``der.v1.QualityBit``."""


@dataclass(frozen=True, slots=True)
class ReadingRange:
    """A request for an asset's readings, newest first. Times are by the agent's clock."""

    asset_id: str
    from_us: int
    to_us: int
    """Exclusive."""
    before: ReadingKey | None = None
    """Continue before this key, the last one read; None = begin with the newest."""


@dataclass(frozen=True, slots=True)
class MeasuredTime:
    """The time over which a dispatch is measured, by the headend's clock, microseconds."""

    from_us: int
    to_us: int
    """Exclusive."""
    whole: bool = True
    """Whether it begins when the dispatch started, and not later."""


def latency(dispatch: Dispatch) -> Latency:
    """The time until the dispatch was first in each state, by the headend's clock."""
    return Latency(
        sent_ms=_after_ms(_dated(dispatch), State.SENT, dispatch.created_us),
        received_ms=_after_ms(dispatch, State.RECEIVED, dispatch.created_us),
        started_ms=_after_ms(dispatch, State.STARTED, max(dispatch.created_us, dispatch.start_us)),
    )


def _dated(dispatch: Dispatch) -> Dispatch:
    """The dispatch without a newest ``sent``: its time is not final; see ``with_sent_time``."""
    if dispatch.state is not State.SENT:
        return dispatch
    return replace(dispatch, states=dispatch.states[:-1])


def measured_time(dispatch: Dispatch, now_us: int) -> MeasuredTime | None:
    """The time over which to measure the dispatch; None if it never started, or ended at once."""
    started_us = _first_us(dispatch, State.STARTED)
    if started_us is None:
        return None
    to_us = dispatch.states[-1].at_us if dispatch.ended else now_us
    end_us = dispatch.window.end_us
    if end_us is not None:
        to_us = min(to_us, end_us)
    from_us = max(started_us, to_us - LONGEST_US)
    return MeasuredTime(from_us, to_us, from_us == started_us) if from_us < to_us else None


def tolerance_mw(asset: Asset) -> float:
    """Largest difference from a setpoint that counts as none."""
    return asset.rated_mw * asset.tolerance_pct / 100


class Deviation:
    """Sums the deviation of an asset's readings from a setpoint, newest reading first.

    It keeps sums and no readings, so that a week of readings costs no memory.
    """

    def __init__(self, span: MeasuredTime, mw: float, *, tolerance_mw: float, gap_us: int) -> None:
        self.span = span
        self._mw = mw
        self._tolerance_mw = tolerance_mw
        self._gap_us = gap_us
        self._next: tuple[int, float] | None = None
        self.samples = 0
        self.covered_us = 0
        self.error_us = 0.0
        """Absolute error over the covered time, MW times microseconds."""
        self.within_us: int | None = None
        """The earliest reading within tolerance so far."""
        self._since: tuple[int, float] = (0, 0.0)
        """Time and error covered from ``within_us`` on."""

    def take(self, at_us: int, p_mw: float | None) -> None:
        """Takes a reading that is not newer than the one before; None = power unknown."""
        if p_mw is None or not math.isfinite(p_mw) or not self._inside(at_us):
            return
        error_mw = abs(p_mw - self._mw)
        if self._next is None:
            self._cover(self.span.to_us - at_us, error_mw, error_mw)
        else:
            newer_us, newer_mw = self._next
            self._cover(max(0, newer_us - at_us), error_mw, newer_mw)
        self.samples += 1
        self._next = (at_us, error_mw)
        if error_mw <= self._tolerance_mw + SLACK_MW:
            self.within_us = at_us
            self._since = (self.covered_us, self.error_us)

    def close(self) -> None:
        """Ends the sum: the oldest reading stands for the time before it."""
        if self._next is not None:
            at_us, error_mw = self._next
            self._cover(at_us - self.span.from_us, error_mw, error_mw)
            if self.within_us == at_us:
                self._since = (self.covered_us, self.error_us)
            self._next = None

    @property
    def held(self) -> float:
        """Share of the covered time that follows the first reading within tolerance."""
        if self.within_us is None:
            return 0.0
        return self._since[0] / self.covered_us if self.covered_us else 1.0

    @property
    def held_error_mw(self) -> float | None:
        """Mean absolute error since the first reading within tolerance."""
        if self.within_us is None:
            return None
        covered_us, error_us = self._since
        return error_us / covered_us if covered_us else 0.0

    def _inside(self, at_us: int) -> bool:
        return self.span.from_us <= at_us < self.span.to_us

    def _cover(self, length_us: int, error_mw: float, newer_mw: float) -> None:
        if length_us <= self._gap_us:
            self.covered_us += length_us
            self.error_us += length_us * (error_mw + newer_mw) / 2


def judge(
    dispatch: Dispatch, asset: Asset, deviation: Deviation | None, *, final: bool = True
) -> Verdict:
    """The verdict. ``deviation`` is closed and has all readings of ``measured_time``."""
    verdict = Verdict(
        outcome=VerdictOutcome.UNMEASURED,
        latency=latency(dispatch),
        tolerance_mw=tolerance_mw(asset),
        final=final,
    )
    if deviation is None or not deviation.samples:
        return verdict
    span, covered_us = deviation.span, deviation.covered_us
    within_us = deviation.within_us if span.whole else None
    covered = covered_us / (span.to_us - span.from_us)
    return Verdict(
        outcome=_outcome(deviation, covered, verdict.tolerance_mw),
        latency=verdict.latency,
        tolerance_mw=verdict.tolerance_mw,
        within_tolerance_ms=None if within_us is None else (within_us - span.from_us) / 1e3,
        mean_error_mw=deviation.error_us / covered_us if covered_us else None,
        held_error_mw=deviation.held_error_mw,
        covered=covered,
        samples=deviation.samples,
        final=final,
    )


def verdict_text(verdict: Verdict) -> str:
    """The verdict as a JSON object, as the journal and the API have it."""
    fields = asdict(verdict)
    return json.dumps(
        {"outcome": fields.pop("outcome").value, **fields.pop("latency"), **fields},
        allow_nan=False,
        separators=(",", ":"),
    )


def _outcome(deviation: Deviation, covered: float, tolerance_mw: float) -> VerdictOutcome:
    if covered < COVERED:
        return VerdictOutcome.UNMEASURED
    error_mw = deviation.held_error_mw
    if error_mw is None or error_mw > tolerance_mw + SLACK_MW or deviation.held < HELD:
        return VerdictOutcome.DEVIATING
    return VerdictOutcome.ACHIEVED


def _first_us(dispatch: Dispatch, state: State) -> int | None:
    return next((change.at_us for change in dispatch.states if change.state is state), None)


def _after_ms(dispatch: Dispatch, state: State, from_us: int) -> float | None:
    at_us = _first_us(dispatch, state)
    return None if at_us is None else max(0, at_us - from_us) / 1e3
