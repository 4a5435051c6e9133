"""One task that says to all agents what of their telemetry is durable.

A commit makes rows of a thousand sessions durable at once. A wake-up of a thousand tasks for
one small message each costs more than the messages; a session whose stream cannot take its
acknowledgement now sends it from its own task, as everything else.
"""

import logging
from typing import Protocol

import trio
from grpclib.exceptions import StreamTerminatedError

from derhead.sessions.terms.ends import INTERNAL_ERROR, End

log = logging.getLogger(__name__)


SESSIONS_A_TURN = 64
"""Sessions that acknowledge before other tasks have their turn: half a millisecond."""


class Acknowledging(Protocol):
    """What it needs of a session."""

    def acknowledge_nowait(self) -> None: ...

    def end(self, end: End) -> None: ...


class Acknowledger:
    """Sessions with something to acknowledge, and the task that has them say it.

    Bound: each session once.
    """

    def __init__(self) -> None:
        self._due: dict[Acknowledging, None] = {}
        self._filled = trio.Event()

    def add(self, session: Acknowledging) -> None:
        """Has it ``acknowledge_nowait``, once what runs now has had its turn."""
        if not self._due:
            self._filled.set()
        self._due[session] = None

    async def run(self) -> None:
        """Acknowledges until cancelled. A session that fails at it is ended, alone."""
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            due, self._due = self._due, {}
            for place, session in enumerate(due, 1):
                if place % SESSIONS_A_TURN == 0:
                    await trio.lowlevel.checkpoint()
                try:
                    session.acknowledge_nowait()
                except StreamTerminatedError:
                    # Its reader ends it.
                    continue
                except Exception:
                    log.exception("a session could not acknowledge")
                    session.end(INTERNAL_ERROR)
