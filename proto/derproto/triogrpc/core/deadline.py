"""Deadlines of calls, by Trio's clock.

grpclib's own ``Deadline`` reads ``time.monotonic``, which a mock clock does not move.
"""

import re
from collections.abc import Collection
from typing import Self

import grpclib.metadata
import trio

_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MAX_TIMEOUT_S = 99_999_999.0


def decode_timeout(value: str) -> float:
    """Seconds that a ``grpc-timeout`` header gives.

    grpclib's own takes any number of digits, enough to overflow a float.

    Raises: ValueError.
    """
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise ValueError(f"invalid grpc-timeout {value[:20]!r}")
    return int(match[1]) * _SECONDS[match[2]]


class Deadline(grpclib.metadata.Deadline):
    """A fixed point of Trio's time by which the call must have ended."""

    @classmethod
    def from_timeout(cls, timeout: float) -> Self:
        """``timeout`` seconds from now."""
        return cls(_timestamp=trio.current_time() + timeout)

    @classmethod
    def from_headers(cls, headers: Collection[tuple[str, str]]) -> Self | None:
        """The deadline in the request's headers; None if there is none.

        Raises: ValueError.
        """
        timeouts = [decode_timeout(value) for key, value in headers if key == "grpc-timeout"]
        return cls.from_timeout(min(timeouts)) if timeouts else None

    def time_remaining(self) -> float:
        """Seconds left, from 0 to the most that the header can express."""
        return min(max(0.0, self._timestamp - trio.current_time()), _MAX_TIMEOUT_S)

    @property
    def at(self) -> float:
        """The deadline as ``trio.CancelScope`` takes it."""
        return self._timestamp
