"""Query parameters of the histories: pure.

``parse_query`` finds all problems at once. Each names its parameter and says what to write.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from derhead.audit import AuditAction
from derhead.dispatch import State
from derhead.findings import Findings
from derhead.history import EVER, TimeRange
from derhead.service_levels import LevelScope
from derproto.base.timefmt import parse_us
from derproto.configuration.problems import nearest

W = TypeVar("W", bound=StrEnum)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000_000
"""Items of one answer. When full, the cursor leads on; a larger ``limit`` is refused with 422."""

MAX_STEP_US = 31 * 86_400_000_000
"""Longest step of a bucketed history: 31 days."""

RANGE = ("from", "to")
PAGE = ("limit", "cursor")
FIELDS = ("fields",)
REPEATABLE = ("state", "action")
"""Parameters that may be repeated, which is the same as one value with commas."""

MAX_TEXT = 255
"""Characters of a text to look for. A longer one is refused with 422."""

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_STEP = re.compile(r"([0-9]{1,9})([smhd])")
_NUMBER = re.compile(r"-?[0-9]+")
_LIMIT = re.compile(r"[0-9]{1,9}")
_FIELD = re.compile(r"[a-z_0-9]{1,40}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Query:
    """Which part of a history is wanted."""

    within: TimeRange = EVER
    limit: int | None = None
    """None = the default of the answer's form."""
    cursor: str | None = None
    step_us: int | None = None
    """Length of the buckets; None = the samples themselves."""
    states: tuple[State, ...] | None = None
    """States of dispatches; None = any."""
    asset: str | None = None
    """Id or name of an asset, not yet looked up."""
    site: str | None = None
    """Id or name of a site, not yet looked up."""
    actions: tuple[AuditAction, ...] | None = None
    """Actions of the audit trail; None = any."""
    caller: str | None = None
    target: str | None = None
    by: LevelScope | None = None
    """What each item sums up; None = the default."""
    fields: tuple[str, ...] | None = None
    """The chosen members, not yet looked up; None = all."""


@dataclass(frozen=True, slots=True)
class BadQuery:
    """Why the query cannot be used: names of parameters, each with what to write instead."""

    problems: tuple[tuple[str, str], ...]
    more: int = 0
    """Number of problems that are not listed."""


def parse_query(given: Mapping[str, Sequence[str]], known: Collection[str]) -> Query | BadQuery:
    """The query of these parameters; ``known`` are the parameters that the endpoint takes."""
    findings = Findings()
    values: dict[str, object] = {}
    for name, texts in given.items():
        if name not in known and not known:
            findings.add(name, "unknown parameter; this path has none; leave it out")
        elif name not in known:
            findings.add_unknown(name, "unknown parameter", name, known)
        elif len(texts) != 1 and name not in REPEATABLE:
            findings.add(name, f"given {len(texts)} times; give it once")
        else:
            field, parse = _PARAMETERS[name]
            try:
                values[field] = parse(",".join(texts))
            except ValueError as wrong:
                findings.add(name, str(wrong))
    if findings:
        return BadQuery(tuple(findings.listed), findings.more)
    ends = {name: values.pop(name) for name in _ENDS if name in values}
    within = TimeRange(**ends)  # type: ignore[arg-type]
    if within.is_empty:
        return BadQuery((("from", "not before `to`; write an earlier time"),))
    return Query(within, **values)  # type: ignore[arg-type]


def _time(text: str) -> int:
    if _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is a date; write a time such as {text}T00:00:00Z")
    try:
        return parse_us(text)
    except ValueError as wrong:
        hint = "; in a URL the + of an offset is written %2B" if " " in text else ""
        raise ValueError(f"{wrong}{hint}") from None


def _limit(text: str) -> int:
    advice = f"write a whole number from 1 to {MAX_LIMIT}"
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole number; {advice}")
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"{text[:40]!r} is out of range; {advice}")
    return int(text)


def _cursor(text: str) -> str | None:
    return text or None


def _step(text: str) -> int:
    found = _STEP.fullmatch(text)
    step_us = int(found[1]) * _UNITS_US[found[2]] if found else 0
    if not 0 < step_us <= MAX_STEP_US:
        raise ValueError(
            f"{text[:40]!r} is not a step; write a number of s, m, h or d up to 31d, such as 15m"
        )
    return step_us


def _words(kind: type[W], what: str) -> Callable[[str], tuple[W, ...]]:
    """Reads a list of the enum's words."""
    known = [word.value for word in kind]

    def parse(text: str) -> tuple[W, ...]:
        words = dict.fromkeys(word.strip() for word in text.split(","))
        for word in words:
            if word not in known:
                raise ValueError(f"there is no {what} {word[:40]!r}; {nearest(word[:40], known)}")
        return tuple(map(kind, words))

    return parse


def _scope(text: str) -> LevelScope:
    known = [scope.value for scope in LevelScope]
    if text not in known:
        raise ValueError(f"{text[:40]!r} is not possible; write {', '.join(known[:-1])} or asset")
    return LevelScope(text)


def _text(text: str) -> str:
    if not 0 < len(text) <= MAX_TEXT or not text.isprintable():
        raise ValueError(f"write 1 to {MAX_TEXT} printable characters, or leave it out")
    return text


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(_FIELD.fullmatch(name) for name in names):
        raise ValueError(f"{text[:40]!r} is not a list of members; write names separated by commas")
    return tuple(dict.fromkeys(names))


_ENDS = ("from_us", "to_us")

_PARAMETERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "from": ("from_us", _time),
    "to": ("to_us", _time),
    "limit": ("limit", _limit),
    "cursor": ("cursor", _cursor),
    "step": ("step_us", _step),
    "state": ("states", _words(State, "state")),
    "asset_id": ("asset", str),
    "site_id": ("site", str),
    "fields": ("fields", _fields),
    "action": ("actions", _words(AuditAction, "action")),
    "caller": ("caller", _text),
    "by": ("by", _scope),
    "target": ("target", _text),
}
