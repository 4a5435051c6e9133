"""The launcher's lines have the form of the daemons' lines."""

import json
from collections.abc import Iterator

import pytest

from deragent.event_lines import EventKind, EventLine
from derproto.stdio.log_lines import name_ids
from launcher.display.fleet_log import MOST_CHARACTERS, FleetLog, one_line
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent

NOON_US = 1_767_268_803_250_000
"""2026-01-01T12:00:03.25Z."""


@pytest.fixture(autouse=True)
def _names() -> Iterator[None]:
    name_ids({"agent": {"a": "mesa-01"}.get})
    yield
    name_ids({})


def event(kind: EventKind, **detail: str | float | int | None) -> EventLine:
    return EventLine(NOON_US, "a", kind, detail)


@pytest.mark.parametrize(
    ("event", "level", "said", "keys"),
    [
        (AgentStarted(NOON_US, "a", 4711), "info", '"agent started"', "pid=4711"),
        (AgentStarted(NOON_US, "a", None), "info", '"agent started"', ""),
        (
            AgentEnded(NOON_US, "a", "killed", 754.04, 1.0),
            *("warning", '"agent ended"', "reason=killed lived_s=754.0 retry_in_s=1.0"),
        ),
        (AgentSaid(NOON_US, "a", "KeyError: 3"), "warning", '"agent said"', 'text="KeyError: 3"'),
        (event(EventKind.CONNECTING, attempt=1), "info", "connecting", "attempt=1"),
        (event(EventKind.CONNECTED, session_id="s"), "info", "connected", "session=s"),
        (
            event(EventKind.DISCONNECTED, reason="DRAINING", retry_in_s=2.13),
            *("warning", "disconnected", "reason=DRAINING retry_in_s=2.13"),
        ),
        (
            event(EventKind.DISPATCH, dispatch_id="d", asset_id="x", asset="mesa", mw=None),
            *("info", "dispatch", "dispatch=d asset=x asset_name=mesa"),
        ),
    ],
)  # fmt: skip
def test_an_event_is_a_line_of_its_keys(
    event: FleetEvent, level: str, said: str, keys: str
) -> None:
    assert FleetLog("logfmt").line_of(event).plain == " ".join(
        [
            f"ts=2026-01-01T12:00:03.250Z level={level} event={said} agent=a",
            *([keys] if keys else []),
            "agent_name=mesa-01 logger=launcher",
        ]
    )


def test_every_kind_of_event_has_a_line_in_json() -> None:
    for kind in EventKind:
        line = json.loads(FleetLog("json").line_of(event(kind)).plain)
        assert (line["event"], line["agent_name"]) == (kind.value, "mesa-01")


@pytest.mark.parametrize(
    "line",
    [
        'ts=2026-01-01T12:00:00.000Z level=warning event="no sun" asset=x',
        '{"ts": "2026-01-01T12:00:00.000Z", "level": "warning", "event": "no sun"}',
        "2026-01-01T12:00:00.000Z [warning  ] no sun asset=x",
    ],
)
def test_an_agents_own_line_stays_as_it_is(line: str) -> None:
    assert FleetLog("logfmt").line_of(AgentSaid(NOON_US, "a", line)).plain == line


def test_colours_are_styles_of_the_line() -> None:
    line = FleetLog("console", colors=True).line_of(event(EventKind.CONNECTED))
    assert line.plain.startswith("2026-01-01T12:00:03.250Z [info     ] connected")
    assert line.spans


@pytest.mark.parametrize("begin", ["", "ts=2026-01-01T12:00:00.000Z level=warning event="])
def test_output_of_agents_cannot_control_the_terminal(begin: str) -> None:
    said = AgentSaid(NOON_US, "a", f"{begin}\x1b[2Jgone\r\nhttp\x07\u202e")
    line = FleetLog("logfmt").line_of(said).plain
    assert line.isprintable()
    assert "gone" in line


def test_a_long_line_is_cut() -> None:
    assert len(one_line("x" * MOST_CHARACTERS)) == MOST_CHARACTERS
    assert one_line("x" * (MOST_CHARACTERS + 1)) == "x" * MOST_CHARACTERS + " (cut)"
