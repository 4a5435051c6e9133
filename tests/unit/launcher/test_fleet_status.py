"""Counts of a fleet, and which events are news."""

import pytest

from deragent.event_lines import Detail, EventKind, EventLine
from launcher.display.fleet_status import CountTimer, Tally
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent


def event(kind: EventKind, agent_id: str = "a", **detail: str | float | int | None) -> EventLine:
    return EventLine(0, agent_id, kind, detail)


def dispatch(dispatch_id: str, state: str, asset_id: str = "x") -> EventLine:
    return event(EventKind.DISPATCH, dispatch_id=dispatch_id, state=state, asset_id=asset_id)


def count_after(*events: FleetEvent) -> str:
    tally = Tally(["a", "b", "c"])
    for event in events:
        tally.take(event)
    return tally.count_line()


@pytest.mark.parametrize(
    ("events", "agents"),
    [
        ([], "3 waiting to start"),
        ([AgentStarted(0, "a", 1)], "1 starting, 2 waiting to start"),
        (
            [event(EventKind.CONNECTED), event(EventKind.CONNECTING, "b")],
            "1 connected, 1 connecting, 1 waiting to start",
        ),
        ([event(EventKind.DISCONNECTED)], "1 connecting, 2 waiting to start"),
        (
            [event(EventKind.CONNECTED), AgentEnded(0, "a", "exited with code 1", 1, 1)],
            "3 waiting to start",
        ),
        (
            [event(EventKind.CONNECTED), event(EventKind.DEVICE_BACK), AgentSaid(0, "a", "hm")],
            "1 connected, 2 waiting to start",
        ),
        ([event(EventKind.CONNECTED, "stranger")], "3 waiting to start"),
    ],
)
def test_agents_are_counted_by_state(events: list[FleetEvent], agents: str) -> None:
    assert count_after(*events) == f"agents 3: {agents} · dispatches in force 0"


def test_the_counts_of_a_log_line_name_every_state() -> None:
    tally = Tally(["a", "b", "c"])
    tally.take(AgentStarted(0, "a", 1))
    assert tally.counts() == {
        "agents": 3, "connected": 0, "connecting": 0, "starting": 1, "waiting": 2, "in_force": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "in_force"),
    [
        ([dispatch("d", "received")], 0),
        ([dispatch("d", "started")], 1),
        ([dispatch("d", "started"), dispatch("d", "started")], 1),
        ([dispatch("d", "started"), dispatch("e", "started", "y")], 2),
        ([dispatch("d", "started"), dispatch("e", "received")], 1),
        ([dispatch("d", "started"), dispatch("e", "started"), dispatch("d", "superseded")], 1),
        ([dispatch("d", "started"), dispatch("d", "completed")], 0),
        ([dispatch("d", "started"), dispatch("e", "rejected")], 1),
        ([dispatch("d", "started"), AgentEnded(0, "a", "exited with code 1", 1, 1)], 0),
        ([dispatch("d", "started"), event(EventKind.DISCONNECTED)], 1),
    ],
)
def test_dispatches_in_force_are_counted(events: list[FleetEvent], in_force: int) -> None:
    assert count_after(*events).endswith(f"dispatches in force {in_force}")


def test_failed_attempts_are_shown_once_for_each_reason() -> None:
    def lost(reason: str) -> tuple[EventKind, Detail]:
        return EventKind.DISCONNECTED, {"reason": reason}

    trying: tuple[EventKind, Detail] = (EventKind.CONNECTING, {})
    up: tuple[EventKind, Detail] = (EventKind.CONNECTED, {})
    story = [
        (trying, True),
        (lost("refused"), True),
        (trying, False),
        (lost("refused"), False),
        (trying, False),
        (lost("no route"), True),
        (trying, False),
        (up, True),
        (lost("no route"), True),
        (trying, False),
        (lost("no route"), False),
    ]
    tally = Tally(["a"])
    tally.take(AgentStarted(0, "a", 1))
    told = [tally.take(EventLine(0, "a", kind, detail)) for (kind, detail), _ in story]
    assert told == [news for _, news in story]


def test_elsewhere_a_count_comes_when_it_changed_and_at_most_every_10_s() -> None:
    timer = CountTimer()
    asked = [(0, "1"), (1, "1"), (5, "2"), (9.9, "2"), (10, "2"), (30, "2"), (31, "3"), (32, "4")]
    assert [timer.due(count, now_s) for now_s, count in asked] == [
        *(True, False, False, False, True, False, True, False)
    ]
