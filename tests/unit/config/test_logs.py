"""Log records are one line each, whatever they hold."""

import logging
import sys
import warnings
from collections.abc import Iterator

import pytest

from derproto.base.logs import LineFormatter, configure_logging, drain_logs


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # pytest's own handlers are kept out of the way: replacing handlers closes them.
    root.handlers = []
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


def record(message: str, created: float = 1_769_860_800.0) -> logging.LogRecord:
    made = logging.LogRecord("derhead.sessions", logging.WARNING, "f", 1, message, (), None)
    made.created = created
    return made


FORMATTER = LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


@pytest.mark.parametrize(
    ("created", "stamp"),
    [
        (1_769_860_800.0, "2026-01-31T12:00:00.000Z"),
        (1_769_860_800.0625, "2026-01-31T12:00:00.062Z"),
        (1_769_860_800.9999, "2026-01-31T12:00:00.999Z"),
    ],
)
def test_the_time_is_utc_with_milliseconds(created: float, stamp: str) -> None:
    assert FORMATTER.format(record("hello", created)) == f"{stamp} WARNING derhead.sessions: hello"


def test_line_breaks_cannot_make_a_second_record() -> None:
    line = FORMATTER.format(record("peer said 'a\nb\r\nc\u2028d'"))
    assert line.endswith(": peer said 'a | b | c | d'")


def test_an_exception_stays_on_its_records_line() -> None:
    made = record("it failed")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = FORMATTER.format(made)
    assert "\n" not in line
    assert ": it failed | Traceback (most recent call last): | " in line
    assert line.endswith(" | ValueError: first | second")


@pytest.mark.usefixtures("_restored")
def test_records_of_the_level_and_above_go_to_stderr_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logging("debug")
    configure_logging("warning")
    log = logging.getLogger("derhead.test")
    log.info("too little")
    log.warning("enough")
    warnings.showwarning("old", DeprecationWarning, "f.py", 1)
    assert drain_logs()
    out, err = capfd.readouterr()
    assert out == ""
    enough, warned = err.splitlines()
    assert enough.endswith("Z WARNING derhead.test: enough")
    assert "Z WARNING py.warnings: f.py:1: DeprecationWarning: old" in warned
