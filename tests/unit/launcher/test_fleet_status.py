"""Lines and counts, as text."""

import pytest
from rich.style import Style

from deragent.event_lines import Detail, EventKind, EventLine
from launcher.display.fleet_status import (
    MOST_CHARACTERS,
    CountTimer,
    Tally,
    event_line,
    event_style,
    printable,
)
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent

NOON_US = 1_767_268_803_250_000
"""2026-01-01T12:00:03.25Z."""


def event(kind: EventKind, agent_id: str = "a", **detail: str | float | int | None) -> EventLine:
    return EventLine(NOON_US, agent_id, kind, detail)


def dispatch(dispatch_id: str, state: str, asset_id: str = "x") -> EventLine:
    return event(EventKind.DISPATCH, dispatch_id=dispatch_id, state=state, asset_id=asset_id)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (AgentStarted(NOON_US, "a", 4711), "started (pid 4711)"),
        (AgentStarted(NOON_US, "a", None), "started"),
        (
            AgentEnded(NOON_US, "a", "was ended by SIGKILL", 754.0, 1.0),
            "was ended by SIGKILL after 13 min; starts again in 1 s",
        ),
        (
            AgentEnded(NOON_US, "a", "exited with code 1", 0.42, 30.0),
            "exited with code 1 after 0.4 s; starts again in 30 s",
        ),
        (AgentSaid(NOON_US, "a", "WARNING no sun"), "| WARNING no sun"),
        (event(EventKind.CONNECTING, attempt=1), "connecting"),
        (event(EventKind.CONNECTED, session_id="s"), "connected"),
        (
            event(EventKind.DISCONNECTED, reason="DRAINING", retry_in_s=2.13),
            "disconnected: DRAINING; tries again in 2.1 s",
        ),
        (event(EventKind.DISCONNECTED, reason="", retry_in_s=None), "disconnected"),
        (
            event(EventKind.DISPATCH, dispatch_id="d-1", state="started", mw=0.5, reason=""),
            "dispatch d-1 started at 0.5 MW",
        ),
        (
            event(EventKind.DISPATCH, dispatch_id="d-1", state="rejected", mw=None, reason="LOCAL"),
            "dispatch d-1 rejected: LOCAL",
        ),
        (
            event(EventKind.ASSET_REFUSED, asset="mesa-01", result="unknown_asset", reason="who?"),
            "refused by the headend (unknown_asset): who?",
        ),
        (event(EventKind.ASSET_GRANTED, asset="mesa-01"), "accepted by the headend"),
        (
            event(EventKind.DEVICE_UNREACHABLE, asset="mesa-01", reason="timed out"),
            "device unreachable: timed out",
        ),
        (event(EventKind.DEVICE_BACK, asset="mesa-01"), "device back"),
        (
            event(EventKind.OUTBOX_DROPPING, dropped_rows=1),
            "outbox full: oldest samples are dropped",
        ),
        (
            event(EventKind.OUTBOX_DISK_FAILING, reason="disk full"),
            "outbox cannot be written: disk full",
        ),
        (event(EventKind.OUTBOX_DISK_BACK), "outbox is written again"),
    ],
)
def test_a_line_says_when_who_and_what(event: FleetEvent, text: str) -> None:
    assert event_line(event, {"a": "mesa-01"}) == f"12:00:03 mesa-01 {text}"


def test_every_kind_of_event_has_words() -> None:
    for kind in EventKind:
        assert event_line(event(kind), {}).startswith("12:00:03 a ")


def test_every_style_is_one_that_rich_knows() -> None:
    for kind in EventKind:
        Style.parse(event_style(event(kind)))
    assert event_style(AgentEnded(NOON_US, "a", "exited with code 1", 1, 1)) == "red"


def test_an_agent_of_several_assets_says_which() -> None:
    said = event(EventKind.DEVICE_BACK, asset="mesa-solar-01")
    assert event_line(said, {"a": "yard"}) == "12:00:03 yard/mesa-solar-01 device back"


def test_output_of_agents_cannot_control_the_terminal() -> None:
    line = event_line(AgentSaid(NOON_US, "a", "\x1b[2Jgone\r\nhttp\x07\u202e"), {})
    assert line.isprintable()
    assert "gone" in line


def test_a_long_line_is_cut() -> None:
    assert len(printable("x" * MOST_CHARACTERS)) == MOST_CHARACTERS
    assert printable("x" * (MOST_CHARACTERS + 1)) == "x" * (MOST_CHARACTERS - 1) + "…"


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
