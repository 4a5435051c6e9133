"""Logging events with keys: ``log.info("agent connected", agent="north", session="…")``."""

import logging
from typing import Any

import structlog
from structlog.stdlib import (
    BoundLogger,
    PositionalArgumentsFormatter,
    filter_by_level,
    render_to_log_kwargs,
)


def event_log(name: str) -> BoundLogger:
    """The logger of that name, which takes the keys of an event as keyword arguments.

    The records go to ``logging`` with the others: they have the same levels and handlers.
    """
    logger: Any = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[filter_by_level, PositionalArgumentsFormatter(), render_to_log_kwargs],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger  # type: ignore[no-any-return]
