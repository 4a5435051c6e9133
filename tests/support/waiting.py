"""Waiting for what another process, server or thread does in its own time."""

import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")

PATIENCE_S = 90.0
"""Only a hang takes so long: at a load of 20 a Python process may start for half a minute."""


def eventually(what: str, look: Callable[[], T | None], within_s: float = PATIENCE_S) -> T:
    """The first result that is neither None nor false; fails with ``what`` if none comes."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


async def until(look: Callable[[], Awaitable[T | None]], within_s: float = PATIENCE_S) -> T:
    """``eventually`` in Trio; the failure is ``trio.TooSlowError``."""
    with trio.fail_after(within_s):
        while True:
            found = await look()
            if found:
                return found
            await trio.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
