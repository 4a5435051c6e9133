"""Writes lines and the count to standard output, and never delays the agents.

rich renders them. The text is then written piece by piece, as fast as its reader takes it.
"""

import io
import os
import stat
from collections import deque
from collections.abc import Callable, Sequence
from logging import INFO, WARNING

import trio
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from derproto.stdio.terminal import console_of
from launcher.display.fleet_log import FleetLog
from launcher.display.fleet_status import CountTimer, Tally

LINES_WAITING = 10_000
"""Lines of output that wait for a slow reader. When full, a line is dropped and counted, and a
later line says how many."""
PIECE_BYTES = 512
"""Size of one write: POSIX guarantees that a ready pipe takes this much without blocking."""
REPAINT_S = 0.05
"""Least time between two updates: a flood of changes becomes a few large ones."""
LAST_WORDS_S = 1.0
"""Time that the screen waits for a slow reader at its end."""


class Screen:
    """Lines as they come, and a count that is redrawn on a terminal and repeated elsewhere.

    ``columns`` returns the terminal's width in characters; None = not a terminal. ``log`` makes
    the screen's own lines, at the times of ``wall_us``. ``repeats_count``: whether the count has
    lines of its own where there is no terminal.
    """

    def __init__(
        self,
        fd: int,
        tally: Tally,
        log: FleetLog,
        columns: Callable[[], int] | None,
        wall_us: Callable[[], int],
        *,
        repeats_count: bool = True,
    ) -> None:
        self._fd = fd
        self._waitable = _can_wait(fd)
        self._tally = tally
        self._log = log
        self._wall_us = wall_us
        self._columns = columns
        self._repeats_count = repeats_count
        self._console = console_of(io.StringIO(), terminal=columns is not None)
        self._lines: deque[Text] = deque()
        self._dropped = 0
        self._painted = ""
        self._timer = CountTimer()
        self._finish = trio.Event()
        self._scope = trio.CancelScope()

    def put(self, line: Text) -> None:
        """Queues a line. Its style shows only on a terminal.

        When full: the line is dropped, and a later line says how many were dropped.
        """
        if len(self._lines) < LINES_WAITING:
            self._lines.append(line)
        else:
            self._dropped += 1

    def finish(self) -> None:
        """Ends ``keep_screen`` after the lines that wait, but within ``LAST_WORDS_S``."""
        self._finish.set()
        self._scope.deadline = trio.current_time() + LAST_WORDS_S

    async def keep_screen(self) -> None:
        """Shows lines and count until ``finish``.

        Raises: OSError when standard output is closed. Cancellation: waiting lines are lost.
        """
        with self._scope:
            while not self._finish.is_set():
                await self._write(self._take())
                with trio.move_on_after(REPAINT_S):
                    await self._finish.wait()
            await self._write(self._take())
            if self._columns is not None:
                await self._write("\n")

    def _take(self) -> str:
        lines = list(self._lines)
        self._lines.clear()
        if self._dropped:
            reason = "standard output is not read fast enough"
            keys = {"lines": self._dropped, "reason": reason}
            lines.append(self._log.line(self._wall_us(), WARNING, "lines dropped", keys))
            self._dropped = 0
        count = self._tally.count_line()
        if self._columns is not None:
            if not lines and count == self._painted:
                return ""
            self._painted = count
            return terminal_text(self._console, lines, count, self._columns())
        if self._repeats_count and self._timer.due(count, trio.current_time()):
            counts = self._tally.counts()
            lines.append(self._log.line(self._wall_us(), INFO, "fleet counted", counts))
        return "".join(f"{line.plain}\n" for line in lines)

    async def _write(self, text: str) -> None:
        left = memoryview(text.encode())
        while left:
            if self._waitable:
                await trio.lowlevel.wait_writable(self._fd)
            else:
                await trio.lowlevel.checkpoint()
            left = left[os.write(self._fd, left[:PIECE_BYTES]) :]


def terminal_text(console: Console, lines: Sequence[Text], count: str, columns: int) -> str:
    """Lines above a count that stays at the bottom, for a terminal of that width."""
    with console.capture() as captured:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 0)))
        for line in lines:
            console.print(line, soft_wrap=True)
        # The last column stays free: a terminal would go on to the next line.
        console.width = max(columns - 1, 1)
        console.print(Text(count, "bold"), end="", no_wrap=True, overflow="ellipsis")
    return captured.get()


def _can_wait(fd: int) -> bool:
    """Whether Trio can wait until the file takes more; a regular file takes everything at once."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)
