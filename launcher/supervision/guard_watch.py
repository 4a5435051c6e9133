"""Starts the guard, which ends all processes of a launcher that was killed, and watches it."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals

import trio

from derproto.base.runtime import shielded_for
from launcher.supervision import guard

KILLED_S = 2.0
"""Time for a killed process to be gone."""


class GuardLost(Exception):
    """The guard process ended. Agents could be orphaned, so the launcher stops."""


@asynccontextmanager
async def open_guard(grace_s: float) -> AsyncIterator[trio.Process]:
    """Runs a guard for the block; processes that join its group end with the launcher.

    If the launcher is killed, they get SIGTERM and, ``grace_s`` later, SIGKILL. They must have
    ended when the block ends.
    """
    process = await trio.lowlevel.open_process(
        # Isolated and without site packages, it starts at once.
        [sys.executable, "-I", "-S", guard.__file__, str(grace_s)],
        stdin=subprocess.PIPE,
        process_group=0,
        cwd=Path("/"),
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        with shielded_for(KILLED_S):
            async with process.stdin:
                # A broken pipe means that the guard is already gone.
                with suppress(trio.BrokenResourceError):
                    await process.stdin.send_all(b".")
            await process.wait()


async def watch_guard(process: trio.Process) -> None:
    """Waits until the guard ends. Raises: GuardLost, then."""
    await process.wait()
    raise GuardLost(f"the launcher's guard {ending(process)}")


def ending(process: trio.Process) -> str:
    """How a process ended, in words."""
    code = process.returncode
    if code is None:
        return "does not end"
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
