"""What telemetry says of a dispatch: how soon it was obeyed, and how well. Pure.

A dispatch is measured from when it ``started`` to the end of its window, or to when it
ended before that. Between two readings the power is taken to run straight, before the
first and after the last to be what that reading says. Where two readings are further apart
than ``gap_us`` nobody knows, and that time does not count: an error is never made up, and
never hidden by the time in which nobody looked.

The verdict is ``achieved`` where the power came within the asset's tolerance of the
setpoint, in the first half of the time that is covered, and its mean absolute error was no
greater than the tolerance from then on. The mean is of the absolute error, so that too much
now does not make up for too little before. It is ``deviating`` where it was not so, and
``unmeasured`` where readings cover less than half of the time.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from derhead.dispatch.life.lifecycle import Dispatch, State
from derproto.base.fleet import Asset

LONGEST_US = 7 * 86_400_000_000
"""A dispatch without an end is measured over its last 7 days."""

COVERED = 0.5
"""Share of the time that readings must cover for a verdict."""

HELD = 0.5
"""Share of the time covered that must lie after the first reading within tolerance."""

SLACK_MW = 5e-7
"""Half a watt: a tolerance in per cent is seldom a number that floats know."""


class Outcome(StrEnum):
    """Whether an asset did what it was told."""

    ACHIEVED = "achieved"
    """It came within tolerance, and on average stayed there."""
    DEVIATING = "deviating"
    """It did not."""
    UNMEASURED = "unmeasured"
    """It never started, or too few readings tell of it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a dispatch took to come to each state, milliseconds; None = it never did."""

    sent_ms: float | None = None
    """From the order; None also until something follows ``sent``, which is dated by then."""
    received_ms: float | None = None
    """From the order."""
    started_ms: float | None = None
    """From the order, or from the start of its window where that is later."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured. ``final`` once no further reading is waited for."""

    outcome: Outcome
    latency: Latency
    tolerance_mw: float
    """How near to the setpoint counts as reached."""
    within_tolerance_ms: float | None = None
    """From ``started`` until the first reading within tolerance; None = none was."""
    mean_error_mw: float | None = None
    """Mean absolute difference from the setpoint, over all of the time that is covered."""
    held_error_mw: float | None = None
    """The same since the first reading within tolerance; None = none was."""
    covered: float = 0.0
    """Share of the time that readings cover, 0..1."""
    samples: int = 0
    """Readings in that time."""
    final: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict to be kept with its dispatch, which has ended."""

    dispatch_id: str
    text: str
    """As ``verdict_text`` writes it."""


ReadingKey = tuple[int, int, int]
"""When it was measured, by the agent's clock, boot and sequence: what readings are sorted by."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The part of a sample that a verdict needs."""

    key: ReadingKey
    p_mw: float | None
    quality: int
    """Bits as in ``der.v1.QualityBit``."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which readings of an asset are wanted, newest first; times by the agent's clock."""

    asset_id: str
    from_us: int
    to_us: int
    """Exclusive."""
    before: ReadingKey | None = None
    """The key of the last that was read; None = from the newest."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time by the headend's clock, microseconds since the epoch."""

    from_us: int
    to_us: int
    """Exclusive."""
    whole: bool = True
    """It begins where the dispatch started, not later."""


def latency(dispatch: Dispatch) -> Latency:
    """How long it took, by the headend's clock: first time in each state."""
    return Latency(
        sent_ms=_after_ms(_dated(dispatch), State.SENT, dispatch.created_us),
        received_ms=_after_ms(dispatch, State.RECEIVED, dispatch.created_us),
        started_ms=_after_ms(dispatch, State.STARTED, max(dispatch.created_us, dispatch.start_us)),
    )


def _dated(dispatch: Dispatch) -> Dispatch:
    """Without a ``sent`` of which only the decision is known; see ``lifecycle.left_at``."""
    if dispatch.state is not State.SENT:
        return dispatch
    return replace(dispatch, states=dispatch.states[:-1])


def measured_span(dispatch: Dispatch, now_us: int) -> Span | None:
    """The time in which telemetry tells of it; None if it never started, or ended at once."""
    started_us = _first_us(dispatch, State.STARTED)
    if started_us is None:
        return None
    to_us = dispatch.states[-1].at_us if dispatch.ended else now_us
    end_us = dispatch.window.end_us
    if end_us is not None:
        to_us = min(to_us, end_us)
    from_us = max(started_us, to_us - LONGEST_US)
    return Span(from_us, to_us, from_us == started_us) if from_us < to_us else None


def tolerance_mw(asset: Asset) -> float:
    """How near to a setpoint counts as reached."""
    return asset.rated_mw * asset.tolerance_pct / 100


class Meter:
    """Sums up an asset's readings against a setpoint, newest reading first.

    It keeps a few sums and no reading, so that a week of them costs no memory.
    """

    def __init__(self, span: Span, mw: float, *, tolerance_mw: float, gap_us: int) -> None:
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
        """The first reading within tolerance, so far."""
        self._since: tuple[int, float] = (0, 0.0)
        """Time and error covered from ``within_us`` on."""

    def take(self, at_us: int, p_mw: float | None) -> None:
        """One reading, none of them newer than the one before; None = it does not know."""
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
        """There is no older reading: the oldest one stands for the time before it."""
        if self._next is not None:
            at_us, error_mw = self._next
            self._cover(at_us - self.span.from_us, error_mw, error_mw)
            if self.within_us == at_us:
                self._since = (self.covered_us, self.error_us)
            self._next = None

    @property
    def held(self) -> float:
        """Share of the time covered that lies after the first reading within tolerance."""
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


def judge(dispatch: Dispatch, asset: Asset, meter: Meter | None, *, final: bool = True) -> Verdict:
    """The verdict; ``meter``, closed, has taken the readings of ``measured_span``, if any."""
    verdict = Verdict(
        outcome=Outcome.UNMEASURED,
        latency=latency(dispatch),
        tolerance_mw=tolerance_mw(asset),
        final=final,
    )
    if meter is None or not meter.samples:
        return verdict
    span, covered_us = meter.span, meter.covered_us
    within_us = meter.within_us if span.whole else None
    covered = covered_us / (span.to_us - span.from_us)
    return Verdict(
        outcome=_outcome(meter, covered, verdict.tolerance_mw),
        latency=verdict.latency,
        tolerance_mw=verdict.tolerance_mw,
        within_tolerance_ms=None if within_us is None else (within_us - span.from_us) / 1e3,
        mean_error_mw=meter.error_us / covered_us if covered_us else None,
        held_error_mw=meter.held_error_mw,
        covered=covered,
        samples=meter.samples,
        final=final,
    )


def verdict_text(verdict: Verdict) -> str:
    """The verdict as it is kept and shown: a JSON object."""
    fields = asdict(verdict)
    return json.dumps(
        {"outcome": fields.pop("outcome").value, **fields.pop("latency"), **fields},
        allow_nan=False,
        separators=(",", ":"),
    )


def _outcome(meter: Meter, covered: float, tolerance_mw: float) -> Outcome:
    if covered < COVERED:
        return Outcome.UNMEASURED
    error_mw = meter.held_error_mw
    if error_mw is None or error_mw > tolerance_mw + SLACK_MW or meter.held < HELD:
        return Outcome.DEVIATING
    return Outcome.ACHIEVED


def _first_us(dispatch: Dispatch, state: State) -> int | None:
    return next((change.at_us for change in dispatch.states if change.state is state), None)


def _after_ms(dispatch: Dispatch, state: State, from_us: int) -> float | None:
    at_us = _first_us(dispatch, state)
    return None if at_us is None else max(0, at_us - from_us) / 1e3
