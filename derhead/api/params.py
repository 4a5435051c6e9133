"""Query parameters: read, checked, and each error naming its parameter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from derhead.api.problems import Problem, bad_parameter
from derproto.base.timefmt import parse_us

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
"""Items of a page. Beyond it a client follows ``next_cursor``."""

MIN_STEP_S, MAX_STEP_S = 1, 31 * 86_400

_STEP = re.compile(r"(\d{1,7})(s|m|h|d)")
_STEP_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a history is asked for."""

    from_us: int | None
    """Inclusive, microseconds since the epoch; None = open."""
    to_us: int | None
    """Exclusive; None = open."""
    limit: int
    cursor: str | None


def refuse_unknown(query: Mapping[str, str], *known: str) -> None:
    """A parameter that would be ignored is an error: the caller meant something by it.

    Raises: Problem.
    """
    for name in query:
        if name not in known:
            names = ", ".join(known) or "none"
            raise Problem(
                422,
                f"the query parameter {name[:100]!r} is not known here",
                errors=((f"/query/{name[:100]}", f"known are: {names}"),),
            )


def read_span(query: Mapping[str, str]) -> Span:
    """``from``, ``to``, ``limit`` and ``cursor``. Raises: Problem, naming the parameter."""
    from_us, to_us = _read_time(query, "from"), _read_time(query, "to")
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise bad_parameter("to", "must be later than from")
    return Span(from_us, to_us, read_limit(query), query.get("cursor"))


def read_limit(query: Mapping[str, str]) -> int:
    """``limit``, 1..1000, default 100. Raises: Problem."""
    text = query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
        raise bad_parameter("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def read_step_us(query: Mapping[str, str]) -> int | None:
    """``step`` such as ``60s``, ``15m``, ``1h`` or ``1d``, microseconds. Raises: Problem."""
    text = query.get("step")
    if text is None:
        return None
    match = _STEP.fullmatch(text)
    step_s = int(match[1]) * _STEP_S[match[2]] if match is not None else 0
    if not MIN_STEP_S <= step_s <= MAX_STEP_S:
        raise bad_parameter("step", "must be such as 60s, 15m, 1h or 1d, from 1s to 31d")
    return step_s * 1_000_000


def _read_time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        # A '+' of an offset that was not escaped arrives as a space.
        return parse_us(text.replace(" ", "+"))
    except ValueError as error:
        raise bad_parameter(name, str(error)) from None
