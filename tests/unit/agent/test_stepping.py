"""The steps of a timeline: scenarios as tables, and invariants of all of them."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.timelines import seen_orders, stepping
from deragent.timelines.asset_timeline import last_reports, next_deadline
from deragent.timelines.stepping import step
from deragent.timelines.timed_orders import (
    Applied,
    Apply,
    ApplyFailed,
    CancelArrived,
    DefaultFailed,
    DefaultTaken,
    LocalControl,
    OrderWithheld,
    Report,
    SetpointArrived,
    TimedOrder,
    TimelineEvent,
    TimePassed,
)
from derhead.dispatch.desk.intake import MAX_OPEN
from derproto.der.v1 import DispatchReason, DispatchState
from tests.support.dispatch.timelines import IDLE, arrive, moment, order, words


def play(*moves: tuple[float, TimelineEvent]) -> list[list[str]]:
    """The effects of each event, in words."""
    timeline, told = IDLE, []
    for at_s, event in moves:
        timeline, effects = step(timeline, event, moment(at_s))
        told.append([words(effect) for effect in effects])
    return told


SCENARIOS: dict[str, list[tuple[float, TimelineEvent, list[str]]]] = {
    "an order that the device was never told in its window": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (60, OrderWithheld("a"), ["a expired", "default 0.25"]),
    ],
    "an order that the device took has been told": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (60, OrderWithheld("a"), ["a completed", "default 0.25"]),
    ],
    "a window from arrival to end": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (59.9, TimePassed(), []),
        (60, TimePassed(), ["a completed", "default 0.25"]),
        (60, DefaultTaken(), []),
    ],
    "arrives after its window": [(70, arrive("a", end_s=60), ["a expired"])],
    "a window of no length": [(0, arrive("a", start_s=5, end_s=5), ["a expired"])],
    "starts later": [
        (0, arrive("a", start_s=10, end_s=60), ["a received"]),
        (10, TimePassed(), ["tell a 1"]),
    ],
    "waited too long for the device": [
        (0, arrive("a", start_s=10, end_s=60), ["a received"]),
        (61, TimePassed(), ["a expired"]),
    ],
    "the later one wins": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (5, arrive("b", 0.5), ["a superseded", "b received", "tell b 0.5"]),
    ],
    "the stronger one stays": [
        (0, arrive("a", priority=10), ["a received", "tell a 1"]),
        (5, arrive("b", priority=11), ["b superseded"]),
    ],
    "the stronger one comes": [
        (0, arrive("a", priority=11), ["a received", "tell a 1"]),
        (5, arrive("b", priority=10), ["a superseded", "b received", "tell b 1"]),
    ],
    "windows side by side coexist": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (1, arrive("b", 0.5, start_s=60, end_s=90), ["b received"]),
        (60, TimePassed(), ["a completed", "tell b 0.5"]),
        (60, Applied("b", 0.5), ["b started"]),
        (90, TimePassed(), ["b completed", "default 0.25"]),
    ],
    "a loser ends whole": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (1, arrive("b", start_s=30, end_s=40), ["a superseded", "b received", "default 0.25"]),
        (1, DefaultTaken(), []),
        (40, TimePassed(), ["b expired"]),
    ],
    "applied once": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (1, arrive("a", end_s=60), ["a received"]),
        (1, Applied("a", 1.0), ["a started"]),
        (2, arrive("a", 2.0), ["a started"]),
        (60, TimePassed(), ["a completed", "default 0.25"]),
        (61, arrive("a", 2.0), ["a completed"]),
    ],
    "forgotten after a day": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (60, TimePassed(), ["a failed", "default 0.25"]),
        (60 + 86_399, arrive("a", end_s=200_000), ["a failed"]),
        (60 + 86_400, arrive("a", end_s=200_000), ["a received", "tell a 1"]),
    ],
    "out of range": [(0, arrive("a", 2.5), ["a rejected"])],
    "not a number": [(0, arrive("a", float("nan")), ["a rejected"])],
    "the device takes it at the second try": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, ApplyFailed("a", "bus"), []),
        (2.9, TimePassed(), []),
        (3, TimePassed(), ["tell a 1"]),
        (3, Applied("a", 1.0), ["a started"]),
        (600, TimePassed(), []),
    ],
    "the device fails three times": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (0, ApplyFailed("a", "bus"), []),
        (2, TimePassed(), ["tell a 1"]),
        (2, ApplyFailed("a", "bus"), []),
        (4, TimePassed(), ["tell a 1"]),
        (4, ApplyFailed("a", "bus"), ["a failed", "default 0.25"]),
        (4, DefaultFailed(), []),
        (8.9, TimePassed(), []),
        (9, TimePassed(), ["default 0.25"]),
        (9, DefaultTaken(), []),
        (600, TimePassed(), []),
    ],
    "the device fails until the window ends": [
        (0, arrive("a", end_s=3), ["a received", "tell a 1"]),
        (2, ApplyFailed("a", "bus"), []),
        (3, TimePassed(), ["a failed", "default 0.25"]),
    ],
    "a new order ends the tries": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, ApplyFailed("a", "bus"), []),
        (2, arrive("b"), ["a superseded", "b received", "tell b 1"]),
        (2, Applied("b", 1.0), ["b started"]),
        (10, TimePassed(), []),
    ],
    "a new order ends the tries at the default": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, CancelArrived("a"), ["a cancelled", "default 0.25"]),
        (1, DefaultFailed(), []),
        (2, arrive("b"), ["b received", "tell b 1"]),
        (2, Applied("b", 1.0), ["b started"]),
        (10, TimePassed(), []),
    ],
    "an older order that comes late gives way": [
        (0, arrive("a", ordered_us=20), ["a received", "tell a 1"]),
        (5, arrive("b", ordered_us=10), ["b superseded"]),
        (5, arrive("c", ordered_us=10, priority=1), ["a superseded", "c received", "tell c 1"]),
    ],
    "one that does not say when it was ordered is the later": [
        (0, arrive("a", ordered_us=20), ["a received", "tell a 1"]),
        (5, arrive("b"), ["a superseded", "b received", "tell b 1"]),
        (6, arrive("c", ordered_us=10), ["b superseded", "c received", "tell c 1"]),
    ],
    "an order after a window that nobody has ended yet": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (61, arrive("b", start_s=59), ["a completed", "b received", "tell b 1"]),
    ],
    "an answer for an order that gave way": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, arrive("b"), ["a superseded", "b received", "tell b 1"]),
        (1, Applied("a", 1.0), []),
        (1, ApplyFailed("a", "bus"), []),
        (1, Applied("b", 1.0), ["b started"]),
    ],
    "cancelled in force": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (5, CancelArrived("a"), ["a cancelled", "default 0.25"]),
        (6, CancelArrived("a"), ["a cancelled"]),
    ],
    "cancelled before it was heard of": [
        (0, CancelArrived("a"), ["a cancelled"]),
        (1, CancelArrived("a"), ["a cancelled"]),
        (2, arrive("a"), ["a cancelled"]),
        (3, TimePassed(), []),
    ],
    "cancelled after its end": [
        (0, arrive("a", end_s=60), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (61, CancelArrived("a"), ["a completed", "a completed", "default 0.25"]),
    ],
    "cancelled before its start": [
        (0, arrive("a", start_s=10), ["a received"]),
        (5, CancelArrived("a"), ["a cancelled"]),
        (10, TimePassed(), []),
    ],
    "someone at the site takes control, and gives it back": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (0, Applied("a", 1.0), ["a started"]),
        (5, LocalControl(True), ["a failed"]),
        (6, arrive("b", end_s=60), ["b received", "b rejected"]),
        (7, arrive("c", start_s=60, end_s=90), ["c received"]),
        (50, LocalControl(False), ["default 0.25"]),
        (50, DefaultTaken(), []),
        (60, TimePassed(), ["tell c 1"]),
    ],
    "a window begins while someone at the site has control": [
        (0, LocalControl(True), []),
        (1, arrive("a", start_s=10, end_s=60), ["a received"]),
        (10, TimePassed(), ["a rejected"]),
        (11, LocalControl(False), []),
    ],
    "the device refuses since someone at the site has control": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, ApplyFailed("a", "key switch", local=True), ["a rejected", "default 0.25"]),
        (1, DefaultFailed(), []),
        (6, TimePassed(), ["default 0.25"]),
    ],
    "a late word on the default is not taken for the order's": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (5, CancelArrived("a"), ["a cancelled", "default 0.25"]),
        (6, arrive("b"), ["b received", "tell b 1"]),
        (6, DefaultFailed(), []),
        (6, DefaultTaken(), []),
        (20, TimePassed(), []),
    ],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    moves = SCENARIOS[name]
    told = play(*((at_s, event) for at_s, event, _ in moves))
    assert told == [expected for _, _, expected in moves]


def test_reports_count_up_and_name_the_winner() -> None:
    timeline, effects = step(IDLE, arrive("a", end_s=60), moment(0))
    revisions = [e.revision for e in effects if isinstance(e, Report)]
    timeline, effects = step(timeline, Applied("a", 1.0), moment(0))
    revisions += [e.revision for e in effects if isinstance(e, Report)]
    # A repeated report is the same report.
    timeline, effects = step(timeline, arrive("a", end_s=60), moment(1))
    revisions += [e.revision for e in effects if isinstance(e, Report)]
    _, effects = step(timeline, arrive("b"), moment(2))
    lost = effects[0]
    assert isinstance(lost, Report)
    assert (revisions, lost.revision, lost.superseded_by) == ([1, 2, 2], 3, "b")
    tombstone = step(IDLE, CancelArrived("c", "as asked"), moment(0))[1][0]
    assert isinstance(tombstone, Report)
    assert (tombstone.revision, tombstone.detail) == (1, "as asked")


def test_an_end_is_dated_when_the_window_ended() -> None:
    timeline, _ = step(IDLE, arrive("a", end_s=60), moment(0))
    timeline, _ = step(timeline, Applied("a", 1.0), moment(0))
    _, effects = step(timeline, TimePassed(), moment(75))
    assert isinstance(effects[0], Report)
    assert effects[0].ts_us == 60_000_000


def test_reports_carry_reason_and_what_was_applied() -> None:
    timeline, _ = step(IDLE, arrive("a", end_s=60), moment(0))
    timeline, _ = step(timeline, Applied("a", 0.9), moment(1))
    _, effects = step(timeline, TimePassed(), moment(60))
    assert effects[0] == Report(
        "a", DispatchState.COMPLETED, 60_000_000, applied_mw=0.9, revision=3
    )
    _, effects = step(IDLE, arrive("a", -3.0), moment(7))
    assert effects == (
        Report(
            "a",
            DispatchState.REJECTED,
            7_000_000,
            DispatchReason.OUT_OF_RANGE,
            detail="-3 MW is not within -2..2 MW",
        ),
    )


def test_an_asset_holds_as_many_orders_as_the_headend_keeps_open() -> None:
    assert stepping.MAX_HELD >= MAX_OPEN


def test_more_orders_than_can_be_held_are_rejected() -> None:
    timeline = IDLE
    for number in range(stepping.MAX_HELD):
        event = arrive(f"d{number}", start_s=100 + number, end_s=101 + number)
        timeline, effects = step(timeline, event, moment(0))
        assert words(effects[0]).endswith("received")
    after, effects = step(timeline, arrive("more", start_s=500, end_s=501), moment(0))
    assert isinstance(effects[0], Report)
    assert effects[0].reason is DispatchReason.TOO_MANY_OPS
    assert len(after.held) == stepping.MAX_HELD
    # An order that replaces a held one needs no extra room.
    _, effects = step(after, arrive("instead", start_s=100, end_s=101), moment(0))
    assert [words(e) for e in effects] == ["d0 superseded", "instead received"]


def test_memory_of_ids_is_bounded_and_keeps_what_is_held() -> None:
    timeline, _ = step(IDLE, arrive("held", start_s=1e6), moment(0))
    for number in range(3 * seen_orders.MAX_SEEN):
        timeline, _ = step(timeline, arrive(f"d{number}", 9.0), moment(1 + number))
    assert len(timeline.seen) == seen_orders.MAX_SEEN
    reports = last_reports(timeline, moment(1000))
    assert reports[0].dispatch_id == "held"
    assert reports[-1].dispatch_id == f"d{3 * seen_orders.MAX_SEEN - 1}"


IDS = st.sampled_from("abcdef")
MOVES = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.one_of(
            st.builds(
                lambda i, mw, start, length, priority: SetpointArrived(
                    TimedOrder(i, mw, priority, start, None if length is None else start + length)
                ),
                IDS,
                st.sampled_from([1.0, -2.0, 3.0, float("nan")]),
                st.floats(0, 200),
                st.none() | st.floats(0, 100),
                st.integers(0, 3),
            ),
            st.builds(CancelArrived, IDS),
            st.builds(LocalControl, st.booleans()),
            st.just(TimePassed()),
        ),
        st.booleans(),
    ),
    max_size=40,
)


@given(MOVES)
def test_invariants_hold_in_every_life(moves: list[tuple[float, TimelineEvent, bool]]) -> None:
    timeline, now_s = IDLE, 0.0
    started: dict[str, int] = {}
    for wait_s, event, works in moves:
        now_s += wait_s
        queue: list[TimelineEvent] = [event]
        while queue:
            now = moment(now_s)
            timeline, effects = step(timeline, queue.pop(), now)
            commands = [e for e in effects if not isinstance(e, Report)]
            assert not (commands and timeline.local)
            assert len(commands) <= 1
            assert not commands or effects[-1] is commands[0]
            for command in commands:
                if isinstance(command, Apply):
                    mw = command.mw
                    held = next(o for o in timeline.held if o.dispatch_id == command.dispatch_id)
                    assert held.start_s <= now_s
                    assert held.end_s is None or now_s < held.end_s
                    started[command.dispatch_id] = started.get(command.dispatch_id, 0) + 1
                    answer: TimelineEvent = (
                        Applied(command.dispatch_id, mw)
                        if works
                        else ApplyFailed(command.dispatch_id, "bus")
                    )
                    queue.append(answer)
                else:
                    queue.append(DefaultTaken() if works else DefaultFailed())
            windows = timeline.held
            assert not any(a.overlaps(b) for i, a in enumerate(windows) for b in windows[i + 1 :])
            assert {o.dispatch_id for o in windows} == {
                i for i, seen in timeline.seen.items() if seen.ended_s is None
            }
            due = next_deadline(timeline, math.inf)
            assert due is None or due > now_s or timeline.default_due_s is not None
            # Nothing is due again and again while there is nothing to do.
            assert due is None or due > now_s or not timeline.local
    # Nothing lasts a day here, so no id may have been applied twice.
    assert all(count <= stepping.APPLY_ATTEMPTS for count in started.values())


def test_a_device_is_told_its_default_until_it_takes_it() -> None:
    timeline, _ = step(IDLE, arrive("a"), moment(0))
    assert not timeline.returning
    timeline, _ = step(timeline, CancelArrived("a"), moment(1))
    assert timeline.returning
    timeline, _ = step(timeline, DefaultFailed(), moment(1))
    assert timeline.returning
    assert next_deadline(timeline, math.inf) == 1 + stepping.DEFAULT_RETRY_S
    timeline, _ = step(timeline, DefaultTaken(), moment(2))
    assert not timeline.returning
    assert next_deadline(timeline, math.inf) is None
    assert replace(timeline, seen={}) == replace(IDLE, seen={})


def test_windows_that_meet_by_the_headends_clock_do_not_overlap() -> None:
    """The messages' delays differed: by the agent's clock the first ends 0.2 s too late."""
    first = replace(order("a", 1.0, 10.2, 20.2), from_us=10, until_us=20)
    second = replace(order("b", 0.5, 20.0, 30.0), from_us=20, until_us=30)
    for one, other in ((first, second), (second, first)):
        told = play(
            (0, SetpointArrived(one)),
            (0, SetpointArrived(other)),
            (10.2, TimePassed()),
            (10.2, Applied("a", 1.0)),
            (20.0, TimePassed()),
        )
        assert told == [
            [f"{one.dispatch_id} received"],
            [f"{other.dispatch_id} received"],
            ["tell a 1"],
            ["a started"],
            ["a completed", "tell b 0.5"],
        ]


def test_windows_overlap_by_the_headends_clock_although_they_seem_to_meet() -> None:
    first = replace(order("a", 1.0, 10.0, 20.0), from_us=10, until_us=20)
    second = replace(order("b", 0.5, 20.0, 29.0), from_us=19, until_us=28)
    told = play((0, SetpointArrived(first)), (0, SetpointArrived(second)))
    assert told == [["a received"], ["a superseded", "b received"]]
