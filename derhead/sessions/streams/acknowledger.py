"""One task that sends acknowledgements to all agents.

One commit makes rows of a thousand sessions durable. Waking a thousand tasks, each for one small
message, would cost more than the messages. A session whose stream has no room sends its
acknowledgement from its own task, like all other messages.
"""

from typing import Protocol

import trio
from grpclib.exceptions import StreamTerminatedError

from derhead.sessions.terms.ends import INTERNAL_ERROR, End
from derproto.stdio.log_events import event_log

log = event_log(__name__)


SESSIONS_A_TURN = 64
"""Sessions to acknowledge before other tasks have their turn: half a millisecond."""


class Acknowledging(Protocol):
    """A session, as the acknowledger uses it."""

    def acknowledge_nowait(self) -> None: ...

    def end(self, end: End) -> None: ...


class Acknowledger:
    """The sessions with pending acknowledgements, and the task that sends them.

    Bound: each session once.
    """

    def __init__(self) -> None:
        self._due: dict[Acknowledging, None] = {}
        self._filled = trio.Event()

    def add(self, session: Acknowledging) -> None:
        """Calls the session's ``acknowledge_nowait`` in the loop's next turn."""
        if not self._due:
            self._filled.set()
        self._due[session] = None

    async def run(self) -> None:
        """Acknowledges until cancelled. A session that fails is ended alone."""
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
                    # The session's reader ends the session.
                    continue
                except Exception:
                    log.exception("session could not acknowledge")
                    session.end(INTERNAL_ERROR)
