"""Exit codes of the commands that ask a headend, as in ``docs/commands.md``: pure."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes for scripts."""

    DONE = 0
    """The command succeeded; with ``--watch``, telemetry shows that the dispatch was achieved."""
    REFUSED = 1
    """The headend refused the request, or the dispatch was not achieved."""
    USAGE = 2
    UNREACHABLE = 3
    """No headend answers, or it cannot serve the request now. Another attempt may succeed."""
    UNMEASURED = 4
    """The dispatch ran to its end, but telemetry does not show whether it was obeyed."""
    INTERRUPTED = 130
    """Ctrl-C. An ordered dispatch goes on."""
