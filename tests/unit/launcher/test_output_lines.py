"""Splitting output into lines, and selecting errors."""

from hypothesis import given
from hypothesis import strategies as st

from launcher.supervision.output_lines import LONGEST_LINE, ErrorLines, LineSplitter


@given(st.lists(st.binary(max_size=20)))
def test_lines_do_not_depend_on_how_bytes_arrive(pieces: list[bytes]) -> None:
    whole, piecewise = LineSplitter(), LineSplitter()
    data = b"".join(pieces)
    expected = [*whole.feed(data), whole.rest()]
    lines = [line for piece in pieces for line in piecewise.feed(piece)]
    assert [*lines, piecewise.rest()] == expected
    assert len(expected) == data.count(b"\n") + 1


def test_a_line_without_end_takes_bounded_memory() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 10_000) == []
    assert splitter.feed(b"\nnext\r\n") == ["x" * LONGEST_LINE, "next"]


def test_bytes_that_are_not_utf_8_are_still_a_line() -> None:
    assert LineSplitter().feed(b"caf\xe9\n") == ["caf\ufffd"]


def passed(*lines: str) -> list[str]:
    errors = ErrorLines()
    return [shown for line in lines for shown in errors.take(line, 0.0)]


def test_warnings_and_errors_pass_as_they_are() -> None:
    assert passed(
        'ts=2026-01-01T12:00:00.000Z level=info event="SIGTERM: stopping"',
        'ts=2026-01-01T12:00:00.000Z level=warning event="3 event lines were dropped"',
        "ts=2026-01-01T12:00:00.000Z level=debug event=x",
        'ts=2026-01-01T12:00:00.000Z level=error event="level=info is what it wanted"',
        '{"ts": "2026-01-01T12:00:00.000Z", "level": "info", "event": "fine"}',
        '{"ts": "2026-01-01T12:00:00.000Z", "level": "error", "event": "bad"}',
        "2026-01-01T12:00:00.000Z [info     ] fine",
        "2026-01-01T12:00:00.000Z [error    ] bad",
        "",
    ) == [
        'ts=2026-01-01T12:00:00.000Z level=warning event="3 event lines were dropped"',
        'ts=2026-01-01T12:00:00.000Z level=error event="level=info is what it wanted"',
        '{"ts": "2026-01-01T12:00:00.000Z", "level": "error", "event": "bad"}',
        "2026-01-01T12:00:00.000Z [error    ] bad",
    ]


def test_a_whole_log_passes_too() -> None:
    lines = ["ts=x level=debug event=a", "ts=x level=info event=b", "ts=x level=error event=c"]
    errors = ErrorLines(whole=True)
    assert [shown for line in lines for shown in errors.take(line, 0.0)] == lines


def test_a_traceback_passes_whole() -> None:
    traceback = ["Traceback (most recent call last):", '  File "x.py", line 1', "KeyError: 'INFO'"]
    assert passed("ts=x level=info event=fine", "  and more of it", *traceback) == traceback


def test_a_flood_is_cut_and_counted() -> None:
    errors = ErrorLines()
    shown = [line for i in range(1000) for line in errors.take(f"line {i}", 0.0)]
    assert shown == [f"line {i}" for i in range(ErrorLines.AT_ONCE)]
    assert errors.take("later", 1.0) == ["(960 more lines were not shown)", "later"]
    assert errors.rest() == []


def test_a_flood_that_goes_on_is_shown_at_a_bounded_rate() -> None:
    errors = ErrorLines()
    shown = [line for i in range(10_000) for line in errors.take("x", i / 100)]
    lines = [line for line in shown if line == "x"]
    assert len(lines) <= ErrorLines.AT_ONCE + 100 * ErrorLines.PER_S
