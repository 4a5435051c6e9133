"""The form of a log line: an event with its keys, as logfmt, as JSON, or for a terminal.

Records of ``logging``, the project's and those of libraries, are rendered alike. A record's text is
the event. Its keys come from the caller (``log_events``) and from the caller's context, to which
structlog has bound them, such as the session or the request.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from structlog import dev
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, WrappedLogger

from derproto.base.timefmt import format_us

VALUE_CHARACTERS = 16 * 1024
"""Characters of one value in a log line, a traceback's too. When full, the rest is cut off."""

HIDDEN = "***"

_SIMPLE = (str, int, float, bool)

_NO_KEYS: Mapping[str, object] = MappingProxyType({})

_SECRET_KEY = re.compile(r"authorization|password|passwd|secret|cookie|token$|dsn", re.IGNORECASE)

_SECRET = re.compile(
    r"derhead_[\w-]{16,}"  # a token of REST
    r"|(?<=bearer )[^\s\"',;]+"
    r"|(?<=basic )[a-z0-9+/=]{8,}"
    r"|(?<=://)[^\s/@\"']+(?=@)"  # the user and the password of a URL
    r"|(?<=password=)[^\s\"'&]+",
    re.IGNORECASE,
)

_HINTS = ("derhead_", "bearer ", "basic ", "://", "password=")
"""Words of which a text with a secret has one, in lower case."""

KEYS_KNOWN = 256
"""Keys of log lines for which the module remembers whether they are secret. When full, the least
recently used key is forgotten."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that could control a terminal, or turn the direction of text."""

Names = Mapping[str, Callable[[str], str | None]]
"""Finds the name of an id, by the key of the id."""

_names: dict[str, Callable[[str], str | None]] = {}


def name_ids(names: Names) -> None:
    """From now on a line with an id under one of these keys has the id's name beside it.

    For example, ``asset_name`` stands beside ``asset``.
    """
    _names.clear()
    _names.update(names)


class EventFormatter(logging.Formatter):
    """One line for each record, whatever it holds: ``ts``, ``level``, the event, then its keys.

    Line breaks, of a traceback or of a peer's text, become `` | ``, so that no record looks like
    two. Secrets become ``***``, see ``_SECRET``.
    """

    def __init__(self, form: str, *, colors: bool = False) -> None:
        super().__init__()
        self._render = _renderer(form, colors)

    def format(self, record: logging.LogRecord) -> str:
        keys: Mapping[str, object] = record.__dict__.get("keys", _NO_KEYS)
        if record.exc_info:
            keys = {**keys, "traceback": self.formatException(record.exc_info)}
        return self.line(record.created, record.levelno, record.getMessage(), keys, record.name)

    def line(
        self, at_s: float, level: int, said: str, keys: Mapping[str, object], logger: str
    ) -> str:
        """The line of an event at that time, in seconds since the epoch."""
        event: EventDict = {
            "ts": _stamp(at_s),
            "level": _level(level),
            "event": said,
            **keys,
        }
        event = merge_contextvars(None, "", event)
        for key, find in _names.items():
            if key in event:
                event.setdefault(f"{key}_name", find(str(event[key])))
        event["logger"] = logger
        # A key without a value tells nothing.
        shown = {key: _shown(key, each) for key, each in event.items() if each is not None}
        if not _is_plain(" ".join([each for each in shown.values() if each.__class__ is str])):
            shown = {key: _clean(each) for key, each in shown.items()}
        return self._render(None, "", shown)


def _renderer(form: str, colors: bool) -> Callable[[WrappedLogger, str, EventDict], str]:
    if form == "json":
        return lambda _logger, _name, event: json.dumps(event, default=str)
    if form == "console":
        return dev.ConsoleRenderer(colors=colors, timestamp_key="ts", pad_event_to=0)
    return _logfmt


def _logfmt(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """As structlog's ``LogfmtRenderer``, which looks at each character of each key."""
    parts = []
    for key, value in event.items():
        if value.__class__ is bool:
            value = "true" if value else "false"
        elif value.__class__ is str and (" " in value or "=" in value or '"' in value):
            value = value.replace("\\", "\\\\").replace('"', '\\"')
            value = f'"{value}"'
        parts.append(f"{key}={value}")
    return " ".join(parts)


def _shown(key: str, value: object) -> object:
    """The value as text, numbers as they are; without the secret if the key names one."""
    if _is_secret(key):
        return HIDDEN
    return value if value.__class__ in _SIMPLE else str(value)


def _is_plain(texts: str) -> bool:
    """Whether these texts can stay as they are: true of almost every line."""
    if not texts.isprintable() or len(texts) > VALUE_CHARACTERS:
        return False
    # Looking for these words takes a tenth of the time of the expression.
    lower = texts.lower()
    for word in _HINTS:  # noqa: SIM110 - a generator takes longer than the search
        if word in lower:
            return False
    return True


def _clean(value: object) -> object:
    """The value as one line of bounded length without secrets; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = value
    if not text.isprintable():
        text = _CONTROL.sub(_escaped, " | ".join(text.splitlines()))
    if len(text) > VALUE_CHARACTERS:
        text = f"{text[:VALUE_CHARACTERS]} (cut)"
    return _SECRET.sub(HIDDEN, text)


@lru_cache(maxsize=KEYS_KNOWN)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


@lru_cache(maxsize=16)
def _level(number: int) -> str:
    return logging.getLevelName(number).lower()


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _stamp(created: float) -> str:
    return f"{_second(int(created))}.{int(created * 1000) % 1000:03d}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return format_us(second * 1_000_000)[:-1]
