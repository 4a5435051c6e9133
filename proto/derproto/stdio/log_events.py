"""Logging events with keys: ``log.info("agent connected", agent="north", session="…")``.

The event is a short constant phrase; what varies is a key. structlog's own front end does the same
in more than twice the time: it looks for the caller, and copies the keys twice.
"""

import logging
import sys
from collections.abc import Mapping


class KeyedLog:
    """The log of one module. Its records go to ``logging``, with its levels and handlers.

    A key that is None is left out of the line. ``exc_info`` is an exception, whose traceback
    becomes a key of the line.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **keys: object) -> None:
        self._log(logging.DEBUG, event, keys)

    def info(self, event: str, /, **keys: object) -> None:
        self._log(logging.INFO, event, keys)

    def warning(self, event: str, /, **keys: object) -> None:
        self._log(logging.WARNING, event, keys)

    def error(self, event: str, /, **keys: object) -> None:
        self._log(logging.ERROR, event, keys)

    def exception(self, event: str, /, **keys: object) -> None:
        """An error with the traceback of the exception that is being handled."""
        self._log(logging.ERROR, event, {**keys, "exc_info": sys.exc_info()[1]})

    def critical(self, event: str, /, **keys: object) -> None:
        self._log(logging.CRITICAL, event, keys)

    def log(self, level: int, event: str, /, **keys: object) -> None:
        self._log(level, event, keys)

    def _log(self, level: int, event: str, keys: dict[str, object]) -> None:
        logger = self._logger
        if logger.isEnabledFor(level):
            logger.handle(make_record(logger.name, level, event, keys))


def event_log(name: str) -> KeyedLog:
    """The log of the module of that name."""
    return KeyedLog(name)


def make_record(
    logger: str, level: int, event: str, keys: Mapping[str, object]
) -> logging.LogRecord:
    """The record of an event at the current time."""
    record = logging.LogRecord(logger, level, "", 0, event, None, None)
    fault = keys.get("exc_info")
    if isinstance(fault, BaseException):
        record.exc_info = (type(fault), fault, fault.__traceback__)
        keys = {key: each for key, each in keys.items() if key != "exc_info"}
    record.keys = keys
    return record
