"""Plans for batches of inputs: which dispatch is sent, waits or is superseded."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from derhead.dispatch.desk.book import STALE_DEADLINES, Book
from derhead.dispatch.desk.draft import Effect, SendCancel, SendSetpoint
from derhead.dispatch.desk.inputs import (
    AgentReport,
    CancelRequested,
    DeskInput,
    OrderRequested,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    WindowOver,
)
from derhead.dispatch.desk.intake import MAX_ORPHANS
from derhead.dispatch.desk.planning import make_plan
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import NO_REPORT_US, Reported
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import AssetOrder
from tests.support.dispatch.desk_fakes import Link
from tests.support.epoch import T0, S


@dataclass
class World:
    """A book that every plan is taken into, and what was sent by it."""

    book: Book = field(default_factory=Book)
    effects: list[Effect] = field(default_factory=list)
    kept: dict[str, Dispatch] = field(default_factory=dict)
    now_us: int = T0

    def take(self, *inputs: DeskInput) -> None:
        plan = make_plan(self.book, inputs, self.now_us)
        assert plan.illegal == 0
        self.book.take(plan.changes, self.now_us)
        self.kept.update(plan.changes.dispatches)
        self.effects.extend(plan.effects)

    def order(self, name: str, start_s: int, duration_s: int | None, priority: int = 128) -> None:
        order = AssetOrder(
            "a",
            1.0,
            start_us=T0 + start_s * S,
            duration_us=None if duration_s is None else duration_s * S,
            priority=priority,
        )
        self.take(OrderRequested(((name, order),)))

    def report(self, name: str, state: State, **more: str) -> None:
        self.take(AgentReport("a", name, Reported(state, **more)))  # type: ignore[arg-type]

    def states(self) -> dict[str, str]:
        return {name: dispatch.state.value for name, dispatch in self.kept.items()}

    @property
    def sent(self) -> list[str]:
        return [each.dispatch_id for each in self.effects if isinstance(each, SendSetpoint)]

    @property
    def withdrawn(self) -> list[str]:
        return [each.dispatch_id for each in self.effects if isinstance(each, SendCancel)]


ONLINE = SessionOpened(Link("s1"), ())


@pytest.mark.parametrize(
    ("orders", "sent"),
    [
        # name, start, duration, priority
        ([("first", 0, 60, 128), ("second", 0, 60, 128)], ["second"]),
        ([("first", 0, 60, 10), ("second", 0, 60, 128)], ["first"]),
        ([("first", 0, None, 128), ("second", 3600, 60, 128)], ["second"]),
        ([("first", 0, 60, 128), ("second", 60, 60, 128)], ["first", "second"]),
        ([("later", 60, 60, 128), ("sooner", 0, 60, 128)], ["sooner", "later"]),
        ([("ends", 0, 61, 128), ("begins", 60, 60, 128)], ["begins"]),
        # The third overlaps with one that waits, and waits with it.
        ([("low", 50, 60, 3), ("mid", 25, 50, 2), ("high", 0, 30, 1)], ["high"]),
    ],
)
def test_only_the_best_of_overlapping_dispatches_is_sent(
    orders: Sequence[tuple[str, int, int, int]], sent: list[str]
) -> None:
    world = World()
    for order in orders:
        world.order(*order)
    assert world.sent == []
    world.take(ONLINE)
    assert world.sent == sent
    assert set(world.states().values()) <= {"sent", "pending"}


def test_losers_are_superseded_once_the_winner_is_received() -> None:
    world = World()
    for name, priority in (("low", 3), ("high", 1), ("mid", 2)):
        world.order(name, 0, 60, priority)
    world.take(ONLINE)
    assert world.states() == {"low": "pending", "high": "sent", "mid": "pending"}
    world.report("high", State.RECEIVED)
    assert world.states() == {"low": "superseded", "high": "received", "mid": "superseded"}
    assert {world.kept[name].superseded_by for name in ("low", "mid")} == {"high"}
    assert world.sent == ["high"]


@pytest.mark.parametrize("end", [State.REJECTED, State.FAILED, State.EXPIRED, State.CANCELLED])
def test_the_next_dispatch_is_sent_if_the_winner_ends_first(end: State) -> None:
    world = World()
    for name, priority in (("low", 3), ("high", 1), ("mid", 2)):
        world.order(name, 0, 60, priority)
    world.take(ONLINE)
    world.report("high", end)
    assert world.states() == {"low": "pending", "high": end.value, "mid": "sent"}
    world.report("mid", State.STARTED)
    assert world.states() == {"low": "superseded", "high": end.value, "mid": "started"}


def test_an_order_that_loses_to_a_held_dispatch_is_not_sent() -> None:
    world = World()
    world.take(ONLINE)
    world.order("high", 10, 60, 1)
    world.report("high", State.RECEIVED)
    world.order("low", 0, 60)
    world.order("before", 0, 10)
    assert world.states() == {"high": "received", "low": "superseded", "before": "sent"}
    assert world.kept["low"].superseded_by == "high"


def test_the_agent_decides_when_a_better_order_arrives() -> None:
    world = World()
    world.take(ONLINE)
    world.order("old", 0, None)
    world.report("old", State.STARTED)
    world.order("new", 0, None)
    world.report("new", State.RECEIVED)
    assert world.states() == {"old": "started", "new": "received"}
    world.report("old", State.SUPERSEDED, superseded_by="new")
    assert world.kept["old"].superseded_by == "new"


def test_a_dispatch_being_withdrawn_supersedes_none() -> None:
    world = World()
    world.take(ONLINE)
    world.order("high", 0, None, 1)
    world.report("high", State.STARTED)
    world.take(CancelRequested("high", "not wanted"))
    world.order("low", 0, None)
    assert world.states() == {"high": "started", "low": "sent"}
    # The agent hears of the withdrawal first.
    assert [each.dispatch_id for each in world.effects] == ["high", "high", "low"]


def test_a_window_that_is_over_blocks_no_order() -> None:
    world = World()
    world.take(ONLINE)
    world.order("over", 0, 60, 1)
    world.report("over", State.STARTED)
    world.order("long", 59, 600)
    assert world.states()["long"] == "superseded"
    world.now_us += 61 * S
    world.order("after", 59, 600)
    assert world.states() == {"over": "started", "long": "superseded", "after": "sent"}


def test_the_second_of_two_simultaneous_orders_is_later_even_if_the_clock_was_set_back() -> None:
    world = World()
    pair = tuple((name, AssetOrder("a", 1.0)) for name in ("first", "second"))
    world.take(OrderRequested(pair))
    world.now_us -= 3600 * S
    world.order("third", -3600, None)
    times = [world.kept[name].created_us for name in ("first", "second", "third")]
    assert times == [T0, T0 + 1, T0 + 2]
    world.take(ONLINE)
    assert world.sent == ["third"]


def test_room_goes_to_the_dispatch_that_starts_first() -> None:
    world = World()
    link = Link("s1", room=1)
    for name, start_s in (("later", 60), ("sooner", 0)):
        world.order(name, start_s, 60)
    world.take(SessionOpened(link, ()))
    assert world.sent == ["sooner"]
    link.room = 10
    world.take(SessionHasRoom(link))
    assert world.sent == ["sooner", "later"]


# --- reconciled ---------------------------------------------------------------------------


def held(name: str, state: State = State.STARTED, asset: str = "a") -> AgentReport:
    return AgentReport(asset, name, Reported(state))


def test_both_sides_are_reconciled_when_an_agent_registers() -> None:
    world = World()
    world.take(ONLINE)
    for place, name in enumerate(("arrived", "lost", "ended", "forgotten")):
        world.order(name, place * 60, 60)
    world.report("forgotten", State.RECEIVED)
    world.take(SessionEnded("s1"))
    link = Link("s2")
    reports = (held("arrived"), held("ended", State.COMPLETED), held("unknown"))
    world.take(SessionOpened(link, reports))
    assert world.states() == {
        "arrived": "started",
        "lost": "sent",
        "ended": "completed",
        "forgotten": "failed",
    }
    assert world.sent == ["arrived", "lost", "ended", "forgotten", "lost"]
    assert world.withdrawn == ["unknown"]


def test_an_orphaned_dispatch_is_cancelled() -> None:
    world = World()
    world.take(ONLINE)
    world.order("d", 0, 60)
    world.report("d", State.COMPLETED)
    world.report("d", State.STARTED)
    assert world.withdrawn == ["d"]
    world.report("d", State.CANCELLED)
    assert world.withdrawn == ["d"]
    assert world.states() == {"d": "completed"}


def test_reports_of_an_agent_that_was_refused_the_asset_do_not_count() -> None:
    world = World()
    world.take(ONLINE)
    world.order("d", 0, 60)
    world.take(SessionOpened(Link("s2", granted=("b",)), (held("d"),)))
    assert world.states() == {"d": "sent"}
    assert world.withdrawn == []


def test_cancels_wait_for_room_and_are_bounded() -> None:
    world = World()
    link = Link("s1", room=2)
    orphans = tuple(held(f"orphan {n}") for n in range(MAX_ORPHANS + 5))
    world.take(SessionOpened(link, orphans))
    assert len(world.withdrawn) == 2
    link.room = 10_000
    world.take(SessionHasRoom(link))
    assert world.withdrawn == [f"orphan {n}" for n in range(MAX_ORPHANS)]
    world.take(SessionHasRoom(link))
    assert len(world.withdrawn) == MAX_ORPHANS
    world.take(SessionEnded("s1"))
    assert world.book.orphans == {}


def test_a_dropped_plan_changes_nothing() -> None:
    world = World()
    world.take(ONLINE)
    world.order("d", 0, 60)
    before = dict(world.book.open)
    inputs: list[DeskInput] = [
        held("d", State.STARTED),
        held("orphan"),
        CancelRequested("d", "not wanted"),
        SessionEnded("s1"),
        OrderRequested((("new", AssetOrder("a", 1.0)),)),
    ]
    plans = [make_plan(world.book, inputs, T0) for _ in range(2)]
    assert plans[0] == plans[1]
    assert world.book.open == before
    assert world.book.orphans == {}
    assert set(world.book.links) == {"s1"}


def test_the_setpoint_in_force_is_kept_until_it_ends() -> None:
    world = World()
    world.take(ONLINE)
    world.order("d", 0, 60)
    world.report("d", State.STARTED)
    noted = world.book.setpoints_mw
    assert noted == {"a": 1.0}
    world.report("d", State.COMPLETED)
    assert (world.book.setpoints_mw, noted) == ({}, {"a": 1.0})


def test_deadlines_of_ended_dispatches_do_not_pile_up() -> None:
    world = World()
    world.take(ONLINE)
    for place in range(3 * STALE_DEADLINES):
        world.order(f"d{place}", 0, 60)
        world.report(f"d{place}", State.RECEIVED)
        world.report(f"d{place}", State.COMPLETED)
        assert len(world.book._deadlines) <= STALE_DEADLINES + 2
    world.order("last", 0, 60)
    assert world.book.next_due_us() == T0 + 60 * S + NO_REPORT_US


def test_a_waiting_dispatch_is_sent_when_the_rivals_window_ends_without_a_report() -> None:
    world = World()
    world.take(ONLINE)
    world.order("mute", 0, 60, 1)
    world.order("waits", 0, None)
    assert world.states() == {"mute": "sent", "waits": "pending"}
    assert world.book.next_due_us() == T0 + 60 * S
    world.now_us += 60 * S
    assert world.book.due_rechecks(world.now_us) == ["a"]
    world.take(WindowOver("a"))
    assert world.states() == {"mute": "sent", "waits": "sent"}
    assert world.book.rechecks == {}
