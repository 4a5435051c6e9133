"""The setpoint timeline: scenarios as tables, and what must hold in all of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent import setpoints
from deragent.orders import (
    Applied,
    Apply,
    ApplyFailed,
    CancelArrived,
    DefaultFailed,
    DefaultTaken,
    Effect,
    Event,
    Moment,
    Order,
    Report,
    ReturnToDefault,
    SetpointArrived,
    TimePassed,
)
from deragent.setpoints import Timeline, last_reports, next_deadline, step
from derproto.base.fleet import Limits
from derproto.der.v1 import DispatchReason, DispatchState

IDLE = Timeline(Limits(-2.0, 2.0), default_mw=0.25)


def order(
    dispatch_id: str,
    mw: float = 1.0,
    start_s: float = 0.0,
    end_s: float | None = None,
    priority: int = 128,
) -> Order:
    return Order(dispatch_id, mw, priority, start_s, end_s)


def words(effect: Effect) -> str:
    """An effect as the tables write it."""
    match effect:
        case Report(dispatch_id, state):
            assert state.name is not None
            return f"{dispatch_id} {state.name.lower()}"
        case Apply(dispatch_id, mw):
            return f"tell {dispatch_id} {mw:g}"
        case ReturnToDefault(mw):
            return f"default {mw:g}"


def play(*moves: tuple[float, Event]) -> list[list[str]]:
    """The effects of each event, in words."""
    timeline, told = IDLE, []
    for at_s, event in moves:
        timeline, effects = step(timeline, event, Moment(at_s, round(at_s * 1e6)))
        told.append([words(effect) for effect in effects])
    return told


def arrive(*args: object, **kwargs: object) -> SetpointArrived:
    return SetpointArrived(order(*args, **kwargs))  # type: ignore[arg-type]


SCENARIOS: dict[str, list[tuple[float, Event, list[str]]]] = {
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
    "the device fails": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, ApplyFailed("a", "bus"), ["a failed", "default 0.25"]),
        (1, DefaultFailed(), []),
        (5.9, TimePassed(), []),
        (6, TimePassed(), ["default 0.25"]),
        (6, DefaultTaken(), []),
        (600, TimePassed(), []),
    ],
    "a new order ends the retries": [
        (0, arrive("a"), ["a received", "tell a 1"]),
        (1, ApplyFailed("a", "bus"), ["a failed", "default 0.25"]),
        (1, DefaultFailed(), []),
        (2, arrive("b"), ["b received", "tell b 1"]),
        (10, TimePassed(), []),
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
        (6, CancelArrived("never heard of"), []),
    ],
    "cancelled before its start": [
        (0, arrive("a", start_s=10), ["a received"]),
        (5, CancelArrived("a"), ["a cancelled"]),
        (10, TimePassed(), []),
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


def test_reports_carry_reason_and_what_was_applied() -> None:
    timeline, _ = step(IDLE, arrive("a", end_s=60), Moment(0, 0))
    timeline, _ = step(timeline, Applied("a", 0.9), Moment(1, 1_000_000))
    _, effects = step(timeline, TimePassed(), Moment(60, 60_000_000))
    assert effects[0] == Report("a", DispatchState.COMPLETED, 60_000_000, applied_mw=0.9)
    _, effects = step(IDLE, arrive("a", -3.0), Moment(0, 7))
    assert effects == (
        Report(
            "a",
            DispatchState.REJECTED,
            7,
            DispatchReason.OUT_OF_RANGE,
            detail="-3 MW is not within -2..2 MW",
        ),
    )


def test_more_orders_than_can_be_held_are_rejected() -> None:
    timeline = IDLE
    for number in range(setpoints.MAX_HELD):
        event = arrive(f"d{number}", start_s=100 + number, end_s=101 + number)
        timeline, effects = step(timeline, event, Moment(0, 0))
        assert words(effects[0]).endswith("received")
    after, effects = step(timeline, arrive("more", start_s=500, end_s=501), Moment(0, 0))
    assert isinstance(effects[0], Report)
    assert effects[0].reason is DispatchReason.TOO_MANY_OPS
    assert len(after.held) == setpoints.MAX_HELD
    # One that replaces a held order needs no room of its own.
    _, effects = step(after, arrive("instead", start_s=100, end_s=101), Moment(0, 0))
    assert [words(e) for e in effects] == ["d0 superseded", "instead received"]


def test_memory_of_ids_is_bounded_and_keeps_what_is_held() -> None:
    timeline, _ = step(IDLE, arrive("held", start_s=1e6), Moment(0, 0))
    for number in range(3 * setpoints.MAX_KNOWN):
        timeline, _ = step(timeline, arrive(f"d{number}", 9.0), Moment(1 + number, 0))
    assert len(timeline.known) == setpoints.MAX_KNOWN
    reports = last_reports(timeline, Moment(1000, 0))
    assert reports[0].dispatch_id == "held"
    assert reports[-1].dispatch_id == f"d{3 * setpoints.MAX_KNOWN - 1}"


IDS = st.sampled_from("abcdef")
MOVES = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.one_of(
            st.builds(
                lambda i, mw, start, length, priority: SetpointArrived(
                    Order(i, mw, priority, start, None if length is None else start + length)
                ),
                IDS,
                st.sampled_from([1.0, -2.0, 3.0, float("nan")]),
                st.floats(0, 200),
                st.none() | st.floats(0, 100),
                st.integers(0, 3),
            ),
            st.builds(CancelArrived, IDS),
            st.just(TimePassed()),
        ),
        st.booleans(),
    ),
    max_size=40,
)


@given(MOVES)
def test_what_holds_in_every_life(moves: list[tuple[float, Event, bool]]) -> None:
    timeline, now_s = IDLE, 0.0
    started: dict[str, int] = {}
    for wait_s, event, works in moves:
        now_s += wait_s
        queue: list[Event] = [event]
        while queue:
            now = Moment(now_s, round(now_s * 1e6))
            timeline, effects = step(timeline, queue.pop(), now)
            commands = [e for e in effects if not isinstance(e, Report)]
            assert len(commands) <= 1
            assert not commands or effects[-1] is commands[0]
            for command in commands:
                if isinstance(command, Apply):
                    mw = command.mw
                    held = next(o for o in timeline.held if o.dispatch_id == command.dispatch_id)
                    assert held.start_s <= now_s
                    assert held.end_s is None or now_s < held.end_s
                    started[command.dispatch_id] = started.get(command.dispatch_id, 0) + 1
                    answer: Event = (
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
                i for i, known in timeline.known.items() if known.ended_s is None
            }
            due = next_deadline(timeline)
            assert due is None or due > now_s or timeline.default_due_s is not None
    # Nothing lasts a day here, so no id may have been applied twice.
    assert all(count == 1 for count in started.values())


def test_the_default_is_owed_until_it_is_taken() -> None:
    timeline, _ = step(IDLE, arrive("a"), Moment(0, 0))
    assert not timeline.returning
    timeline, _ = step(timeline, CancelArrived("a"), Moment(1, 0))
    assert timeline.returning
    timeline, _ = step(timeline, DefaultFailed(), Moment(1, 0))
    assert timeline.returning
    assert next_deadline(timeline) == 1 + setpoints.DEFAULT_RETRY_S
    timeline, _ = step(timeline, DefaultTaken(), Moment(2, 0))
    assert not timeline.returning
    assert next_deadline(timeline) is None
    assert replace(timeline, known={}) == replace(IDLE, known={})
