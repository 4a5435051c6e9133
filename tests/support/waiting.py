"""Waiting for what another process, server or thread does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0
"""Only a hang takes so long."""


def eventually(what: str, look: Callable[[], T | None], within_s: float = PATIENCE_S) -> T:
    """The first result that is neither None nor false; fails with ``what`` if none comes."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
