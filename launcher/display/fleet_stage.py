"""Where a fleet is shown: standard output, in the form that suits it."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from derproto.stdio.log_lines import name_ids
from derproto.stdio.logs import RepeatFilter
from launcher.display.fleet_log import FleetLog
from launcher.display.fleet_status import Tally
from launcher.display.screen import Screen
from launcher.supervision.fleet_events import FleetEvent


class Tell(Protocol):
    """Shows a log line of the launcher itself."""

    def __call__(self, said: str, **keys: object) -> None: ...


class FleetStage:
    """Shows events and lines on standard output, and warnings of the launcher's libraries.

    ``agent_names`` has every agent; ``asset_name`` finds the name of an asset. ``log_format`` is
    one of ``LOG_FORMATS``; None = ``console`` on a terminal, else ``logfmt``.
    """

    def __init__(
        self,
        agent_names: Mapping[str, str],
        asset_name: Callable[[str], str | None],
        log_format: str | None,
        wall_us: Callable[[], int],
    ) -> None:
        fd = sys.stdout.fileno()
        self.terminal = os.isatty(fd) and os.environ.get("TERM") not in ("dumb", "unknown")
        self.form = log_format or ("console" if self.terminal else "logfmt")
        self.tally = Tally(agent_names)
        self._wall_us = wall_us
        self._log = FleetLog(self.form, colors=self.terminal)
        columns = _columns if self.terminal else None
        self.screen = Screen(fd, self.tally, self._log, columns, wall_us)
        name_ids({"agent": agent_names.get, "asset": asset_name})
        _show_warnings(self.screen, self._log)

    def tell(self, said: str, **keys: object) -> None:
        """Shows a line of the launcher itself."""
        self.screen.put(self._log.line(self._wall_us(), logging.INFO, said, keys))

    def take(self, event: FleetEvent) -> None:
        """Counts an event, and shows it if it is news."""
        if self.tally.take(event):
            self.screen.put(self._log.line_of(event))


def _columns() -> int:
    return shutil.get_terminal_size().columns


class _ScreenHandler(logging.Handler):
    """Shows log records as lines: stderr would break the count at the terminal's bottom."""

    def __init__(self, screen: Screen, log: FleetLog) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.put(self._log.line_of_record(record))


def _show_warnings(screen: Screen, log: FleetLog) -> None:
    handler = _ScreenHandler(screen, log)
    handler.addFilter(RepeatFilter(handler.emit))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
