"""Counts what becomes of dispatches, and how long they take. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import ENDED, OPEN, REASONS, State
from derproto.metrics.histogram import FAR_S, Histogram, HistogramCounts

NO_REASON = "NONE"
OTHER_REASON = "OTHER"

WITH_REASONS = (State.REJECTED, State.FAILED)
"""The final states that have a reason."""

ENDS = (
    *((state, NO_REASON) for state in State if state in ENDED),
    *((state, reason) for state in WITH_REASONS for reason in (*REASONS, OTHER_REASON)),
)
"""Every end: its state, and its reason or ``NONE``."""


@dataclass(frozen=True, slots=True)
class DispatchStatistics:
    """Dispatches now and since the start."""

    open: Mapping[str, int]
    """Open dispatches by state."""
    ended: Mapping[tuple[str, str], int]
    """Dispatches that ended, by state and reason."""
    latency: Mapping[str, HistogramCounts]
    """Seconds to ``sent``, ``received`` and ``started``."""


class DispatchTally:
    """Follows every change of every dispatch of one desk."""

    def __init__(self) -> None:
        self._open = Counter[State]()
        self._ended = Counter[tuple[State, str]]()
        self._sent, self._received, self._started = (Histogram(FAR_S) for _ in range(3))

    def load(self, dispatches: Iterable[Dispatch]) -> None:
        """Counts the open dispatches of an earlier headend."""
        self._open.update(each.state for each in dispatches)

    def take(self, before: Dispatch | None, after: Dispatch) -> None:
        """Counts a change; ``before`` is None for a new dispatch."""
        if before is not None:
            self._open[before.state] -= 1
        if after.ended:
            self._ended[after.state, _reason(after)] += 1
        else:
            self._open[after.state] += 1
        known = 0 if before is None else len(before.states)
        for change in after.states[known:]:
            match change.state:
                case State.RECEIVED:
                    self._received.take((change.at_us - after.created_us) / 1e6)
                case State.STARTED:
                    # Before its window begins, an agent only waits.
                    due_us = max(after.created_us, after.start_us)
                    self._started.take((change.at_us - due_us) / 1e6)

    def take_sent(self, dispatch: Dispatch, at_us: int) -> None:
        """Counts a setpoint that was written to its stream, the first time."""
        if dispatch.attempts == 1:
            self._sent.take((at_us - dispatch.created_us) / 1e6)

    def statistics(self) -> DispatchStatistics:
        return DispatchStatistics(
            open={state.value: self._open[state] for state in OPEN},
            ended={(state.value, reason): self._ended[state, reason] for state, reason in ENDS},
            latency={
                "sent": self._sent.counts(),
                "received": self._received.counts(),
                "started": self._started.counts(),
            },
        )


def _reason(dispatch: Dispatch) -> str:
    if dispatch.state not in WITH_REASONS or dispatch.reason is None:
        return NO_REASON
    return dispatch.reason if dispatch.reason in REASONS else OTHER_REASON
