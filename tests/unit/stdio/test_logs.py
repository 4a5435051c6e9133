"""Log records are one line each, whatever they hold, and hold no secret."""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator

import pytest
import trio
from structlog.contextvars import bound_contextvars
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from derproto.configuration.kinds import LOG_FORMATS
from derproto.stdio.log_events import event_log
from derproto.stdio.log_lines import HIDDEN, EventFormatter, name_ids
from derproto.stdio.logs import LevelReload, configure_logging, drain_logs


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # pytest's own handlers are kept out of the way: replacing handlers closes them.
    root.handlers = []
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


@pytest.fixture
def _named() -> Iterator[None]:
    name_ids({"asset": {"0d7c": "North battery"}.get})
    yield
    name_ids({})


def record(message: str, created: float = 1_769_860_800.0, **keys: object) -> logging.LogRecord:
    made = logging.LogRecord("derhead.sessions", logging.WARNING, "f", 1, message, (), None)
    made.created = created
    made.keys = keys
    return made


FORMATTER = EventFormatter("logfmt")


@pytest.mark.parametrize(
    ("created", "stamp"),
    [
        (1_769_860_800.0, "2026-01-31T12:00:00.000Z"),
        (1_769_860_800.0625, "2026-01-31T12:00:00.062Z"),
        (1_769_860_800.9999, "2026-01-31T12:00:00.999Z"),
    ],
)
def test_the_time_is_utc_with_milliseconds(created: float, stamp: str) -> None:
    assert (
        FORMATTER.format(record("hello", created))
        == f"ts={stamp} level=warning event=hello logger=derhead.sessions"
    )


@pytest.mark.usefixtures("_named")
def test_keys_follow_the_event_and_names_stand_beside_ids() -> None:
    with bound_contextvars(request="r-1"):
        line = FORMATTER.format(record("an order", asset="0d7c", mw=1.5, reason='so "it" is'))
    assert line.partition("event=")[2] == (
        '"an order" asset=0d7c mw=1.5 reason="so \\"it\\" is" request=r-1 '
        'asset_name="North battery" logger=derhead.sessions'
    )


@pytest.mark.usefixtures("_named")
def test_json_has_the_same_keys() -> None:
    line = EventFormatter("json").format(record("an order", asset="0d7c", mw=1.5, at=None))
    assert json.loads(line) == {
        "ts": "2026-01-31T12:00:00.000Z",
        "level": "warning",
        "event": "an order",
        "asset": "0d7c",
        "mw": 1.5,
        "asset_name": "North battery",
        "logger": "derhead.sessions",
    }


def test_a_terminal_gets_colours_only_if_it_wants_them() -> None:
    plain = EventFormatter("console").format(record("hello", agent="north"))
    assert plain == "2026-01-31T12:00:00.000Z [warning  ] hello [derhead.sessions] agent=north"
    assert "\x1b[" in EventFormatter("console", colors=True).format(record("hello"))


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_line_breaks_and_control_codes_cannot_make_a_second_record(form: str) -> None:
    line = EventFormatter(form).format(record("peer said", said="a\nb\r\nc\u2028d\x1b[2J"))
    assert len(line.splitlines()) == 1
    assert "a | b | c | d" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_an_exception_stays_on_its_records_line(form: str) -> None:
    made = record("it failed")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = EventFormatter(form).format(made)
    assert len(line.splitlines()) == 1
    assert "Traceback (most recent call last): | " in line
    assert "| ValueError: first | second" in line


SECRETS = {
    "a bearer token": "authorization: Bearer s3cr3t-abc was refused",
    "a token of REST": "derhead_s3cr3tAbcdefghijklmnop is unknown",
    "basic": "Authorization: Basic czNjcjN0Og==s3cr3t",
    "a DSN": "cannot reach postgresql://derhead:s3cr3t@db.example/derhead",
    "a DSN with a parameter": "cannot reach postgresql://db.example/derhead?password=s3cr3t&x=1",
}


@pytest.mark.parametrize("form", LOG_FORMATS)
@pytest.mark.parametrize("name", SECRETS)
def test_no_text_shows_a_secret(name: str, form: str) -> None:
    for made in (record(SECRETS[name]), record("failed", reason=SECRETS[name])):
        line = EventFormatter(form).format(made)
        assert "s3cr3t" not in line
        assert HIDDEN in line


@pytest.mark.parametrize("form", LOG_FORMATS)
@pytest.mark.parametrize(
    "key", ["authorization", "password", "token", "api_token", "cookie", "dsn"]
)
def test_no_key_shows_a_secret(key: str, form: str) -> None:
    line = EventFormatter(form).format(record("hello", 0.0, **{key: "s3cr3t"}))
    assert "s3cr3t" not in line
    assert HIDDEN in line


def test_a_secret_in_a_traceback_is_hidden() -> None:
    made = record("it failed")
    try:
        raise OSError("postgresql://derhead:s3cr3t@db/derhead refuses")
    except OSError:
        made.exc_info = sys.exc_info()
    assert "s3cr3t" not in FORMATTER.format(made)


def test_an_event_is_a_record_with_its_keys(caplog: pytest.LogCaptureFixture) -> None:
    log = event_log("derhead.test")
    with caplog.at_level("INFO"):
        log.debug("too little", agent="north")
        log.info("agent connected", agent="north", assets=3, detail=None)
    (made,) = caplog.records
    assert made.getMessage() == "agent connected"
    assert FORMATTER.format(made).partition("level=")[2] == (
        'info event="agent connected" agent=north assets=3 logger=derhead.test'
    )


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
    assert enough.endswith("Z level=warning event=enough logger=derhead.test")
    assert 'event="f.py:1: DeprecationWarning: old' in warned


@pytest.mark.usefixtures("_restored")
async def test_the_level_changes_without_a_restart(autojump_clock: MockClock) -> None:
    configure_logging("info")
    levels = iter(["info", "debug"])
    reload = LevelReload("info", lambda: next(levels), virtual_runtime(0))
    assert await reload.load() is None
    assert not logging.getLogger("derhead.test").isEnabledFor(logging.DEBUG)
    assert await reload.load() == "info became debug"
    assert logging.getLogger("derhead.test").isEnabledFor(logging.DEBUG)
    await trio.lowlevel.checkpoint()


def test_a_librarys_text_is_filled_in(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("h2").warning("%s at %d MW", "North", 3)
    assert 'event="North at 3 MW" logger=h2' in caplog.text


def test_an_exception_is_a_key(caplog: pytest.LogCaptureFixture) -> None:
    log = event_log("derhead.test")
    try:
        raise ValueError("first")
    except ValueError:
        log.exception("it failed", agent="north")
    log.error("it failed again", exc_info=ValueError("second"), agent="north")
    first, second = caplog.text.splitlines()
    assert 'event="it failed" agent=north traceback="Traceback' in first
    assert "| ValueError: first" in first
    assert 'event="it failed again" agent=north traceback="ValueError: second"' in second


@pytest.mark.usefixtures("_restored")
def test_a_terminal_gets_colours_and_a_pipe_logfmt(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.openpty()
    monkeypatch.setattr("derproto.stdio.logs.STDERR", writing)
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        configure_logging("info")
        logging.getLogger("derhead.test").info("hello")
        assert drain_logs()
        said = os.read(reading, 4096).decode()
        assert "hello" in said
        assert ("\x1b[" in said) is coloured
        assert "event=" not in said
    for end in (reading, writing):
        os.close(end)
