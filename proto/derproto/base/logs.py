"""Log records on stderr, one line each."""

import logging
import sys
from contextvars import ContextVar

from derproto.base.timefmt import format_us

log_context: ContextVar[str | None] = ContextVar("log_context", default=None)
"""What the task at hand works for, such as a request; stands in brackets in its log lines."""


class LineFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.123Z WARNING derhead.sessions: text``, whatever the text holds.

    Line breaks, of a traceback or of something a peer sent, become `` | ``: no record can
    pass for two.
    """

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        whole = format_us(int(record.created) * 1_000_000)[:-1]
        return f"{whole}.{int(record.created * 1000) % 1000:03d}Z"

    def formatMessage(self, record: logging.LogRecord) -> str:
        context = log_context.get()
        line = super().formatMessage(record)
        return line if context is None else f"{line} [{context}]"

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(super().format(record).splitlines())


def configure_logging(level: str) -> None:
    """Sends every record of ``level`` (``debug``, ``info``, …) and above to stderr.

    Replaces what was configured before. Warnings of Python and of libraries come too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
