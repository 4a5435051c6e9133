"""The outbox against a naive model: whatever happens, in whatever order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deragent.devices import Measurement
from deragent.outbox import Outbox, Row

KEPT = 20
RANGES = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 15)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=3,
)


class OutboxAgainstModel(RuleBasedStateMachine):
    """The model: a plain list of sequence numbers, and the set of those handed out."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(KEPT)
        self.here: list[int] = []
        self.taken: set[int] = set()
        self.made = 0
        self.live_from = 1
        self.dropped = 0
        self.refused = 0

    @rule(count=st.integers(1, 8))
    def measure(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            self.here.append(self.made)
            fitted = self.outbox.append(self.made % 3, 1000 * self.made, Measurement(p_mw=1.0))
            assert fitted is (len(self.here) <= KEPT)
            if not fitted:
                del self.here[0]
                self.dropped += 1

    @rule()
    def connect(self) -> None:
        self.outbox.begin_session()
        self.live_from = self.made + 1
        self.taken.clear()

    @rule(most=st.integers(1, 6), backfill=st.booleans())
    def take(self, most: int, backfill: bool) -> None:
        take = self.outbox.take_backfill if backfill else self.outbox.take_live
        rows = take(most)
        waiting = [
            seq for seq in self.here if seq not in self.taken and (seq < self.live_from) is backfill
        ]
        expected = waiting[:1]
        for seq in waiting[1:most]:
            if seq != expected[-1] + 1:
                break
            expected.append(seq)
        assert [row.seq for row in rows] == expected
        assert all(row.ts_us == 1000 * row.seq for row in rows)
        self.taken.update(expected)

    @rule(ranges=RANGES)
    def ack(self, ranges: list[tuple[int, int]]) -> None:
        assert self.outbox.ack(ranges) == self.forget(ranges)

    @rule(ranges=RANGES)
    def refuse(self, ranges: list[tuple[int, int]]) -> None:
        gone = self.forget(ranges)
        assert self.outbox.refuse(ranges) == gone
        self.refused += gone

    @precondition(lambda self: len(self.here) > 2)
    @rule()
    def ack_oldest(self) -> None:
        first = self.here[0]
        assert self.outbox.ack([(first, first + 1)]) == self.forget([(first, first + 1)])

    def forget(self, ranges: list[tuple[int, int]]) -> int:
        before = len(self.here)
        self.here = [s for s in self.here if not any(a <= s <= b for a, b in ranges)]
        return before - len(self.here)

    @invariant()
    def agrees(self) -> None:
        outbox = self.outbox
        assert len(outbox) == len(self.here) <= KEPT
        assert seq_of(outbox.oldest) == (self.here[0] if self.here else None)
        assert seq_of(outbox.newest) == (self.here[-1] if self.here else None)
        assert (outbox.dropped_rows, outbox.refused_rows) == (self.dropped, self.refused)


def seq_of(row: Row | None) -> int | None:
    return None if row is None else row.seq


OutboxAgainstModel.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestOutboxAgainstModel = OutboxAgainstModel.TestCase


def test_an_outbox_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        Outbox(0)


def test_backfill_never_reaches_into_live_rows() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.append(0, number, Measurement())
    outbox.begin_session()
    for number in range(5):
        outbox.append(0, number, Measurement())
    assert [row.seq for row in outbox.take_backfill(100)] == [1, 2, 3, 4, 5]
    assert outbox.take_backfill(100) == ()
    assert [row.seq for row in outbox.take_live(3)] == [6, 7, 8]
    assert [row.seq for row in outbox.take_live(3)] == [9, 10]
    assert outbox.take_live(3) == ()
