"""A device, its agent and the headend, with any mishap in any order: the ledger has every hole.

After each step, the journal must hold this:

- Any two neighbouring samples are near enough, or the ledger has the gap between them.
- No sample lies in a gap of the ledger.
- No gap is in the ledger twice.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from derhead.gaps import HoleCause, Origin
from derhead.gaps.record import FOREVER_US, is_reported
from tests.support.epoch import T0, S
from tests.support.watched_asset import LIMITS, PERIOD_S, Headend

PERIODS = st.just(1) | st.integers(1, 12)
ROWS = st.integers(1, 9)


class Row(NamedTuple):
    at_s: float
    boot_id: int
    seq: int
    stale: bool


class Overflow(NamedTuple):
    """What an agent has to tell of rows that it gave up."""

    number: int
    boot_id: int
    first_s: float
    last_s: float
    rows: int


class Away(NamedTuple):
    """What an agent has to tell of a device that does not answer."""

    number: int
    boot_id: int
    from_s: float
    to_s: float | None = None

    @property
    def revision(self) -> int:
        return 1 if self.to_s is None else 2


@dataclass
class Agent:
    boot_id: int = 1
    seq: int = 0
    outbox: deque[Row] = field(default_factory=deque)
    untold: list[Overflow] = field(default_factory=list)
    numbers: int = 0
    clock_ahead_s: int = 0
    clock_was_set: bool = False
    away: tuple[Away, ...] = ()
    saved: tuple[Away, ...] = ()
    """The same in the outbox's file, up to a second behind."""

    def drop_acknowledged(self, told: set[Away]) -> None:
        self.away = tuple(each for each in self.away if each.to_s is None or each not in told)

    def measure(self, at_s: float, *, answers: bool) -> Row:
        self.seq += 1
        self.saved = self.away
        row = Row(at_s + self.clock_ahead_s, self.boot_id, self.seq, not answers)
        away = self.away[-1] if self.away and self.away[-1].to_s is None else None
        if away is not None and (answers or away.boot_id != self.boot_id):
            self.away = (*self.away[:-1], away._replace(to_s=row.at_s))
            away = None
        if not answers and away is None:
            self.numbers += 1
            self.away = (*self.away, Away(self.numbers, self.boot_id, row.at_s))
        return row


class Mishaps(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.headend = Headend()
        self.agent = Agent()
        self.told: set[Away] = set()
        self.stale_us: set[int] = set()
        self.connect()
        self.step(1)

    # --- what happens ---------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self.headend.session is not None

    @rule(periods=PERIODS)
    def step(self, periods: int) -> None:
        """The device measures, and what it measures leaves at once if there is a link."""
        self._measure(periods, answers=True)

    # As an overflow: a gap that is told needs a clock that goes on.
    @precondition(lambda self: not self.agent.clock_was_set)
    @rule(periods=PERIODS)
    def device_does_not_answer(self, periods: int) -> None:
        self._measure(periods, answers=False)

    def _measure(self, periods: int, *, answers: bool) -> None:
        for _ in range(periods):
            self.headend.wait(self.headend.now_s + PERIOD_S)
            if self.connected:
                self._tell_of_device(ends=True)
                self.agent.drop_acknowledged(self.told)
            row = self.agent.measure(self.headend.now_s, answers=answers)
            if self.connected:
                self._send(row, backfill=False)
                # A kill may come between a sample and its report.
                self._tell_of_device(ends=False)
            else:
                self.agent.outbox.append(row)

    def _send(self, row: Row, *, backfill: bool) -> None:
        if row.stale:
            self.stale_us.add(T0 + round(row.at_s * S))
        self.headend.sample(row.at_s, row.boot_id, backfill=backfill, seq=row.seq, stale=row.stale)

    @rule(periods=PERIODS)
    def nothing_is_measured(self, periods: int) -> None:
        self.headend.wait(self.headend.now_s + PERIOD_S * periods)

    @precondition(lambda self: self.connected)
    @rule(because=st.sampled_from([HoleCause.LINK, HoleCause.AGENT_RESTART]))
    def cut(self, because: HoleCause) -> None:
        self.headend.disconnect(because)

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.headend.connect(boot_id=self.agent.boot_id)
        self._tell()
        self.told.clear()
        self._tell_of_device(ends=True)

    def _tell_of_device(self, *, ends: bool) -> None:
        for away in self.agent.away:
            if away in self.told or (away.to_s is not None and not ends):
                continue
            self.headend.tell(
                HoleCause.DEVICE,
                away.from_s,
                away.to_s,
                number=away.number,
                revision=away.revision,
                boot_id=away.boot_id,
            )
            self.told.add(away)

    def _tell(self) -> None:
        for each in self.agent.untold:
            self.headend.tell(
                HoleCause.OVERFLOW,
                each.first_s,
                each.last_s,
                number=each.number,
                rows=each.rows,
                boot_id=each.boot_id,
            )
        self.agent.untold.clear()

    @precondition(lambda self: self.connected and self.agent.outbox)
    @rule(rows=ROWS)
    def backfill(self, rows: int) -> None:
        for _ in range(min(rows, len(self.agent.outbox))):
            row = self.agent.outbox.popleft()
            self._send(row, backfill=True)

    # What was lost an agent can only tell by a clock that goes on.
    @precondition(lambda self: self.agent.outbox and not self.agent.clock_was_set)
    @rule(rows=ROWS)
    def overflow(self, rows: int) -> None:
        agent = self.agent
        given_up = [agent.outbox.popleft() for _ in range(min(rows, len(agent.outbox)))]
        # One report a stretch without a sample in between.
        stretches = groupby(enumerate(given_up), _stretch)
        for (boot_id, _), stretch in stretches:
            dropped = [row for _, row in stretch]
            agent.numbers += 1
            told = Overflow(agent.numbers, boot_id, dropped[0].at_s, dropped[-1].at_s, len(dropped))
            agent.untold.append(told)
        if self.connected:
            self._tell()

    @precondition(lambda self: self.agent.numbers == 0)
    @rule(by_s=st.integers(-60, 60))
    def set_the_clock(self, by_s: int) -> None:
        # Not before the first sample of all: what is missing before it nobody knows.
        self.agent.clock_ahead_s = max(0, self.agent.clock_ahead_s + by_s)
        self.agent.clock_was_set = True

    @rule(in_memory=ROWS, forgets_answer=st.booleans())
    def kill_the_agent(self, in_memory: int, forgets_answer: bool) -> None:
        if self.connected:
            self.headend.disconnect()
        agent = self.agent
        for _ in range(min(in_memory, len(agent.outbox))):
            agent.outbox.pop()
        # Not the beginning of a silence: the headend ends such a gap at the next live sample only.
        if forgets_answer and len(agent.saved) == len(agent.away):
            agent.away = agent.saved
        agent.boot_id += 1
        agent.seq = 0

    @rule()
    def kill_the_headend(self) -> None:
        self.headend.start()

    # --- what holds -----------------------------------------------------------------

    def _missing(self, *, silent_devices: bool = True) -> list[tuple[int, int | None]]:
        """The stretches that the ledger says are missing, by their beginnings."""
        found = [
            (each.start_us if each.filled_us is None else each.filled_us, each.end_us)
            for each in self.headend.records.values()
            if not each.backfilled
            and each.cause is not HoleCause.NONE
            and (silent_devices or each.cause is not HoleCause.DEVICE or not is_reported(each.id))
        ]
        return sorted(found, key=lambda each: (each[0], each[1] or FOREVER_US))

    def _measured(self) -> list[tuple[int, Origin, int]]:
        """The samples that their device answered."""
        return [each for each in self.headend.samples if each[0] not in self.stale_us]

    @invariant()
    def every_hole_is_known(self) -> None:
        missing = self._missing()
        for (low_us, low, _), (high_us, high, _) in pairwise(sorted(self.headend.samples)):
            limit_us = LIMITS.between(low, high)
            at_us = low_us
            for start_us, end_us in missing:
                if start_us - at_us <= limit_us and start_us < high_us:
                    at_us = max(at_us, high_us if end_us is None else end_us)
            assert high_us - at_us <= limit_us, f"nothing is known of {_s(at_us)} to {_s(high_us)}"

    @invariant()
    def every_silence_of_a_device_is_known(self) -> None:
        missing = self._missing()
        for ts_us in self.stale_us:
            found = [each for each in missing if each[0] <= ts_us <= (each[1] or FOREVER_US)]
            assert found, f"nothing is known of the silent device at {_s(ts_us)}"

    @invariant()
    def no_sample_is_in_what_is_missing(self) -> None:
        stored = [ts_us for ts_us, _, _ in self._measured()]
        for start_us, end_us in self._missing():
            until_us = FOREVER_US if end_us is None else end_us
            assert not [_s(ts_us) for ts_us in stored if start_us < ts_us < until_us]

    @invariant()
    def nothing_is_missing_twice(self) -> None:
        # A silent device has rows, which may go missing too.
        for (start_us, end_us), (later_us, _) in pairwise(self._missing(silent_devices=False)):
            assert end_us is not None, f"{_s(start_us)} lasts, and yet there is {_s(later_us)}"
            assert end_us <= later_us, f"{_s(end_us)} is after {_s(later_us)}"

    @invariant()
    def who_is_silent_has_a_gap_that_lasts(self) -> None:
        heard_us = max(max(ts_us, received_us) for ts_us, _, received_us in self.headend.samples)
        silent_us = T0 + self.headend.now_s * S - max(heard_us, self.headend.trusted_us)
        if silent_us > LIMITS.silent_us + S:
            assert [end_us for _, end_us in self._missing()].count(None) == 1


def _stretch(given_up: tuple[int, Row]) -> tuple[int, int]:
    """The same for rows of one boot whose sequence numbers have no hole between them."""
    place, row = given_up
    return row.boot_id, row.seq - place


def _s(us: int) -> str:
    return f"{(us - T0) / S:g} s"


def test_the_ledger_has_every_hole_and_no_other() -> None:
    run_state_machine_as_test(
        Mishaps, settings=settings(max_examples=300, stateful_step_count=40, deadline=None)
    )
