"""Prints events on standard output, one line of JSON each, and never delays the agent."""

from functools import partial

import trio

from deragent.event_lines import EventLine
from derproto.base.runtime import Runtime
from derproto.stdio.command import drop_output
from derproto.stdio.log_events import event_log

log = event_log(__name__)

LINES_WAITING = 1024
"""Event lines that wait for a slow reader. When full, a line is dropped and counted."""


class EventPrinter:
    """Queues events, and prints them in a task of its own."""

    def __init__(self, runtime: Runtime) -> None:
        self._run_blocking = runtime.run_blocking
        self._send, self._receive = trio.open_memory_channel[str](LINES_WAITING)
        self._dropped = 0

    def put(self, event: EventLine) -> None:
        """Queues a line. When full: the line is dropped; a log line says how many were dropped."""
        try:
            self._send.send_nowait(event.to_line())
        except trio.WouldBlock:
            self._dropped += 1

    def close(self) -> None:
        """Ends ``print_events`` once the queue is empty."""
        self._send.close()

    async def print_events(self) -> None:
        """Prints until ``close``. Drops the remaining lines once the reader is gone.

        Cancellation: after the line being printed.
        """
        broken = False
        async for line in self._receive:
            if self._dropped:
                log.warning("event lines dropped: their reader is slow", lines=self._dropped)
                self._dropped = 0
            if not broken:
                broken = not await self._run_blocking(partial(_print, line))


def _print(line: str) -> bool:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        drop_output()
        log.warning("standard output is closed: no more event lines")
        return False
    return True
