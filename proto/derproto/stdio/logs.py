"""Log records on stderr, one line each, written by a thread: a task that logs never waits.

A pipe that nobody reads blocks its writers. A non-blocking pipe is no remedy, since every process
that shares the pipe would find it non-blocking. So a thread writes lines from a bounded queue.
Lines beyond the bound are dropped and counted, and a line tells the count once the queue is empty.
Repeats are limited before the queue.
"""

import logging
import os
import queue
import select
from collections.abc import Callable
from dataclasses import dataclass

from derproto.base.runtime import Runtime, start_thread
from derproto.stdio.log_events import make_record
from derproto.stdio.log_lines import EventFormatter
from derproto.stdio.log_repeats import PERIOD_S, RepeatLimit

WAITING_BYTES = 4 * 1024 * 1024
"""Log lines that wait for a slow reader of stderr. When full, a line is dropped and counted, and a
later line says how many."""

FLUSH_S = 1.0
"""Time that the end of the process waits for a slow reader of stderr. When over, waiting
lines are lost."""

RETRY_S = 1.0

STDERR = 2


@dataclass(frozen=True, slots=True)
class LogQueue:
    """The lines that wait for the reader of stderr, and those that found no room."""

    waiting_bytes: int = 0
    dropped_lines: int = 0
    """Since the start."""


class RepeatFilter(logging.Filter):
    """Leaves out lines that repeat too often; ``tell`` gets a record that says how many."""

    def __init__(self, tell: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._tell = tell
        self._limit = RepeatLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        self.tell_left_out(record.created)
        return self._limit.admits(record.name, str(record.msg), record.created)

    def tell_left_out(self, now_s: float, *, all_of_them: bool = False) -> None:
        """Tells how many lines were left out in periods that are over, or in all periods."""
        for (logger, text), count in self._limit.take_left_out(now_s, all_of_them=all_of_them):
            keys = {"lines": count, "like": text or "several texts"}
            self._tell(make_record(logger, logging.WARNING, "more lines left out", keys))


class BackgroundHandler(logging.Handler):
    """Writes lines in a thread, by ``write``. ``emit`` never waits.

    When full: a line is dropped and counted, and a later line says how many.
    """

    def __init__(
        self, write: Callable[[bytes], None], *, form: str = "logfmt", colors: bool = False
    ) -> None:
        super().__init__()
        self.setFormatter(EventFormatter(form, colors=colors))
        self._repeats = RepeatFilter(self._put)
        self._write = write
        self._queue: queue.SimpleQueue[bytes | queue.SimpleQueue[None] | None] = queue.SimpleQueue()
        # Only one side changes each counter, so that no lock is needed.
        self._given = self._dropped = 0
        self._written = self._told = 0
        start_thread(self._write_on, "log")

    def statistics(self) -> "LogQueue":
        return LogQueue(self._given - self._written, self._dropped)

    # --- tasks that log -------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        if self._repeats.filter(record):
            self._put(record)

    def drain(self) -> bool:
        """Waits until all lines are written, ``FLUSH_S`` at most; False if some are not."""
        self._repeats.tell_left_out(0.0, all_of_them=True)
        mark: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._queue.put(mark)
        try:
            mark.get(timeout=FLUSH_S)
        except queue.Empty:
            return False
        return True

    def flush(self) -> None:
        """Calls ``drain``: ``logging`` flushes its handlers when the process ends."""
        self.drain()

    def close(self) -> None:
        """Ends the thread once the waiting lines are written."""
        self._queue.put(None)
        super().close()

    def _put(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a log line must not end what logs it
            line = f"{record.name}: {record.msg!r} cannot be written: {error!r}"
        data = f"{line}\n".encode(errors="backslashreplace")
        if self._given - self._written + len(data) > WAITING_BYTES:
            self._dropped += 1
            return
        self._given += len(data)
        self._queue.put(data)

    # --- the thread -----------------------------------------------------------------

    def _write_on(self) -> None:
        while True:
            try:
                what = self._queue.get(timeout=PERIOD_S)
            except queue.Empty:
                self._look_for_left_out()
                continue
            if what is None:
                return
            if isinstance(what, bytes):
                self._write(what)
                self._written += len(what)
            if self._queue.empty():
                self._tell_dropped()
            if isinstance(what, queue.SimpleQueue):
                what.put(None)

    def _tell_dropped(self) -> None:
        dropped = self._dropped - self._told
        if dropped:
            self._told += dropped
            keys = {"lines": dropped, "reason": "stderr was not read fast enough"}
            told = make_record(__name__, logging.WARNING, "log lines dropped", keys)
            self._write(f"{self.format(told)}\n".encode())

    def _look_for_left_out(self) -> None:
        # A flush holds the lock while it waits for this thread, and tells the counts itself.
        if self.lock is not None and self.lock.acquire(blocking=False):
            try:
                self._repeats.tell_left_out(make_record(__name__, logging.WARNING, "", {}).created)
            finally:
                self.lock.release()


SECRETIVE = ("hpack",)
"""Loggers of libraries whose debug lines hold the bytes of headers, and so of tokens."""


def write_to(fd: int) -> Callable[[bytes], None]:
    """A function that writes bytes to a descriptor; if it is closed, the bytes are lost."""

    def write(data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                # Another process that shares the descriptor has made it non-blocking.
                select.select([], [fd], [], RETRY_S)
            except OSError:
                return

    return write


def configure_logging(level: str, form: str | None = None) -> None:
    """Sends records of ``level`` (``debug``, ``info``, …) and above, and warnings, to stderr.

    ``form`` is one of ``LOG_FORMATS``; None = ``console`` on a terminal, else ``logfmt``. A
    terminal gets colours unless ``NO_COLOR`` is set.

    Replaces any earlier configuration. The handler does not use ``sys.stderr``: a thread that waits
    there would hold the lock of its buffer.
    """
    terminal = os.isatty(STDERR)
    form = form or ("console" if terminal else "logfmt")
    colors = terminal and not os.environ.get("NO_COLOR")
    handler = BackgroundHandler(write_to(STDERR), form=form, colors=colors)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    hush_secretive()
    logging.captureWarnings(True)


def hush_secretive() -> None:
    """Keeps the debug lines of ``SECRETIVE`` out of the log."""
    for name in SECRETIVE:
        logging.getLogger(name).setLevel(logging.INFO)


class LevelReload:
    """The level of log lines, read again at SIGHUP; ``read`` gets it from the configuration."""

    def __init__(self, level: str, read: Callable[[], str], runtime: Runtime) -> None:
        self._level = level
        self._read = read
        self._runtime = runtime

    async def load(self) -> str | None:
        """Puts the level in force; returns what changed. Raises: ConfigError."""
        level = await self._runtime.run_blocking(self._read)
        if level == self._level:
            return None
        before, self._level = self._level, level
        logging.getLogger().setLevel(level.upper())
        return f"{before} became {level}"


def log_queue() -> LogQueue:
    """The queue of this process's log; an empty one if ``configure_logging`` was not called."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, BackgroundHandler):
            return handler.statistics()
    return LogQueue()


def drain_logs() -> bool:
    """Waits, for a bounded time, until all lines are on stderr; False if stderr is not read."""
    handlers = logging.getLogger().handlers
    return all(each.drain() for each in handlers if isinstance(each, BackgroundHandler))
