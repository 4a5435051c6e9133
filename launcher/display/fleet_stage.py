"""Where a fleet is shown: standard output, in the form that suits it."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from derproto.stdio.log_lines import name_ids
from derproto.stdio.logs import RepeatFilter, hush_secretive
from launcher.display.fleet_log import FleetLog, level_of_event
from launcher.display.fleet_status import Tally
from launcher.display.screen import Screen
from launcher.supervision.fleet_events import FleetEvent


class Tell(Protocol):
    """Shows a log line of the launcher itself."""

    def __call__(self, said: str, **keys: object) -> None: ...


class FleetStage:
    """Shows events and lines on standard output, and warnings of the launcher's libraries.

    ``agent_names`` has every agent; ``asset_name`` finds the name of an asset. ``log_format`` is
    one of ``LOG_FORMATS``; None = ``console`` on a terminal, else ``logfmt``. ``log_level`` is one
    of ``LOG_LEVELS``; None = ``info``.
    """

    def __init__(
        self,
        agent_names: Mapping[str, str],
        asset_name: Callable[[str], str | None],
        log_format: str | None,
        wall_us: Callable[[], int],
        log_level: str | None = None,
    ) -> None:
        fd = sys.stdout.fileno()
        self.terminal = os.isatty(fd) and os.environ.get("TERM") not in ("dumb", "unknown")
        self.form = log_format or ("console" if self.terminal else "logfmt")
        self.tally = Tally(agent_names)
        self._wall_us = wall_us
        self._log = FleetLog(self.form, colors=self.terminal)
        columns = _columns if self.terminal else None
        self._least = logging.getLevelNamesMapping()[(log_level or "info").upper()]
        self.screen = Screen(
            *(fd, self.tally, self._log, columns, wall_us), repeats_count=self._shows(logging.INFO)
        )
        name_ids({"agent": agent_names.get, "asset": asset_name})
        _show_records(self.screen, self._log, self._least)

    def _shows(self, level: int) -> bool:
        return level >= self._least

    def tell(self, said: str, **keys: object) -> None:
        """Shows a line of the launcher itself."""
        if self._shows(logging.INFO):
            self.screen.put(self._log.line(self._wall_us(), logging.INFO, said, keys))

    def take(self, event: FleetEvent) -> None:
        """Counts an event, and shows it if it is news."""
        if self.tally.take(event) and self._shows(level_of_event(event)):
            self.screen.put(self._log.line_of(event))


def _columns() -> int:
    return shutil.get_terminal_size().columns


class _ScreenHandler(logging.Handler):
    """Shows log records as lines: stderr would break the count at the terminal's bottom."""

    def __init__(self, screen: Screen, log: FleetLog) -> None:
        super().__init__()
        self._screen = screen
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.put(self._log.line_of_record(record))


def _show_records(screen: Screen, log: FleetLog, least: int) -> None:
    """Shows warnings and errors of this process, and everything if debug lines are wanted: what
    agents in this loop tell otherwise comes as events."""
    handler = _ScreenHandler(screen, log)
    handler.addFilter(RepeatFilter(handler.emit))
    level = least if least < logging.INFO else max(least, logging.WARNING)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    hush_secretive()
    logging.captureWarnings(True)
