"""The measuring grid, and events as lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.event_lines import EventKind, EventLine, link_status, parse_line
from deragent.tasks.event_printer import LINES_WAITING, EventPrinter
from deragent.tasks.sampler import next_on_grid
from derproto.base.runtime import real_runtime


@given(
    now_s=st.floats(0, 1e9), period_s=st.floats(0.1, 3600), phase=st.floats(0, 1, exclude_max=True)
)
def test_the_next_point_is_ahead_and_within_one_period(
    now_s: float, period_s: float, phase: float
) -> None:
    due_s = next_on_grid(now_s, period_s, phase)
    assert now_s < due_s <= now_s + period_s * 1.001 + 1e-6


@given(period_s=st.sampled_from([0.1, 1.0, 4.0, 7.3]), phase=st.floats(0, 1, exclude_max=True))
def test_points_are_one_period_apart(period_s: float, phase: float) -> None:
    due_s = next_on_grid(12_345.678, period_s, phase)
    for _ in range(100):
        following = next_on_grid(due_s, period_s, phase)
        assert following - due_s == pytest.approx(period_s, abs=1e-6)
        due_s = following


EVENT = EventLine(
    1_767_268_800_500_000, "agent-1", EventKind.DISPATCH, {"dispatch_id": "d1", "mw": None}
)


def test_an_event_is_a_line_of_json_and_back() -> None:
    line = EVENT.to_line()
    assert "\n" not in line
    assert json.loads(line) == {
        "ts": "2026-01-01T12:00:00.5Z",
        "agent_id": "agent-1",
        "event": "dispatch",
        "dispatch_id": "d1",
        "mw": None,
    }
    assert parse_line(line) == EVENT


@pytest.mark.parametrize(
    "line",
    [
        "INFO starting",
        "3",
        "{}",
        '{"ts": "2026-01-01T12:00:00Z", "agent_id": "a", "event": "exploded"}',
        '{"ts": 5, "agent_id": "a", "event": "dispatch"}',
    ],
)
def test_other_lines_are_not_events(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_line(line)


async def test_events_are_printed_in_order_until_closed(capsys: pytest.CaptureFixture[str]) -> None:
    printer = EventPrinter(real_runtime())
    printer.put(EVENT)
    printer.put(EVENT)
    printer.close()
    await printer.print_events()
    assert capsys.readouterr().out == f"{EVENT.to_line()}\n" * 2


async def test_a_slow_reader_costs_lines_and_not_memory(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    printer = EventPrinter(real_runtime())
    for _ in range(LINES_WAITING + 5):
        printer.put(EVENT)
    printer.close()
    await printer.print_events()
    assert capsys.readouterr().out.count("\n") == LINES_WAITING
    assert 'event="event lines dropped: their reader is slow" lines=5 ' in caplog.text


@pytest.mark.parametrize(
    ("kind", "detail", "status"),
    [
        (EventKind.CONNECTED, {"session_id": "s"}, "connected to h:1"),
        (EventKind.DISCONNECTED, {"reason": "refused"}, "not connected to h:1: refused"),
        (EventKind.CONNECTING, {"attempt": 2}, None),
    ],
)
def test_the_status_of_the_unit_tells_whether_the_headend_is_reached(
    kind: EventKind, detail: dict[str, str | int], status: str | None
) -> None:
    assert link_status(EventLine(0, "agent-1", kind, detail), "h:1") == status
