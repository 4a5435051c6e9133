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

from derhead.gaps import HoleCause
from derhead.gaps.record import FOREVER_US
from tests.support.epoch import T0, S
from tests.support.watched_asset import LIMITS, PERIOD_S, Headend

PERIODS = st.integers(1, 12)
ROWS = st.integers(1, 9)


class Row(NamedTuple):
    at_s: float
    boot_id: int
    seq: int


class Overflow(NamedTuple):
    """What an agent has to tell of rows that it gave up."""

    number: int
    boot_id: int
    first_s: float
    last_s: float
    rows: int


@dataclass
class Agent:
    boot_id: int = 1
    seq: int = 0
    outbox: deque[Row] = field(default_factory=deque)
    untold: list[Overflow] = field(default_factory=list)
    numbers: int = 0
    clock_ahead_s: int = 0
    clock_was_set: bool = False

    def measure(self, at_s: float) -> Row:
        self.seq += 1
        return Row(at_s + self.clock_ahead_s, self.boot_id, self.seq)


class Mishaps(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.headend = Headend()
        self.agent = Agent()
        self.connect()
        self.step(1)

    # --- what happens ---------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self.headend.session is not None

    @rule(periods=PERIODS)
    def step(self, periods: int) -> None:
        """The device measures, and what it measures leaves at once if there is a link."""
        for _ in range(periods):
            self.headend.wait(self.headend.now_s + PERIOD_S)
            row = self.agent.measure(self.headend.now_s)
            if self.connected:
                self.headend.sample(row.at_s, row.boot_id, seq=row.seq)
            else:
                self.agent.outbox.append(row)

    @rule(periods=PERIODS)
    def device_is_away(self, periods: int) -> None:
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
            self.headend.sample(row.at_s, row.boot_id, backfill=True, seq=row.seq)

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

    @rule(in_memory=ROWS)
    def kill_the_agent(self, in_memory: int) -> None:
        if self.connected:
            self.headend.disconnect()
        agent = self.agent
        for _ in range(min(in_memory, len(agent.outbox))):
            agent.outbox.pop()
        agent.boot_id += 1
        agent.seq = 0

    @rule()
    def kill_the_headend(self) -> None:
        self.headend.start()

    # --- what holds -----------------------------------------------------------------

    def _missing(self) -> list[tuple[int, int | None]]:
        """The stretches that the ledger says are missing, by their beginnings."""
        found = [
            (each.start_us if each.filled_us is None else each.filled_us, each.end_us)
            for each in self.headend.records.values()
            if not each.backfilled and each.cause is not HoleCause.NONE
        ]
        return sorted(found, key=lambda each: (each[0], each[1] or FOREVER_US))

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
    def no_sample_is_in_what_is_missing(self) -> None:
        stored = [ts_us for ts_us, _, _ in self.headend.samples]
        for start_us, end_us in self._missing():
            until_us = max(stored) + 1 if end_us is None else end_us
            assert not [_s(ts_us) for ts_us in stored if start_us < ts_us < until_us]

    @invariant()
    def nothing_is_missing_twice(self) -> None:
        for (start_us, end_us), (later_us, _) in pairwise(self._missing()):
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
