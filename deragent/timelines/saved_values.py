"""Values read from a timeline file: pure.

The checksum finds damage. These checks find values that no agent writes, which a later step could
not carry out, or the codec not send.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FARTHEST = 2**66
"""Greatest whole number of the file; a headend may name times almost as far, in microseconds."""
FARTHEST_CLOCK = 2**61
"""The same for a clock of this machine: what lies between two such clocks fits a message."""


def text(value: Any) -> str:
    """The value, which must be text that UTF-8 can carry. Raises: ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a text")
    value.encode()
    return value


def flag(value: Any) -> bool:
    """The value, which must be true or false. Raises: ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def whole(value: Any, least: int = -FARTHEST, most: int = FARTHEST) -> int:
    """The value, which must be a whole number between the two. Raises: ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{_shown(value)} is not a whole number from {least} to {most}")
    return value


def clock_us(value: Any) -> int:
    """Microseconds by a clock of this machine. Raises: ValueError."""
    return whole(value, -FARTHEST_CLOCK, FARTHEST_CLOCK)


def number(value: Any) -> float:
    """The value, which must be a number; devices may answer NaN. Raises: ValueError."""
    return value if isinstance(value, float) else float(whole(value))


def finite(value: Any) -> float:
    """The value, which must be a finite number. Raises: ValueError."""
    if not math.isfinite(number(value)):
        raise ValueError(f"{value!r} is not a finite number")
    return number(value)


def seconds(value: Any) -> float:
    """Seconds from whole microseconds. Raises: ValueError."""
    return whole(value) / 1e6


def maybe(read: Callable[[Any], T], value: Any) -> T | None:
    """The value as ``read`` reads it; None stays None. Raises: ValueError."""
    return None if value is None else read(value)


def _shown(value: Any) -> str:
    """The value for a message; Python writes no whole number of thousands of digits."""
    return "a huge number" if isinstance(value, int) and abs(value) > 10**30 else repr(value)[:80]
