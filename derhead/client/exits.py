"""Exit codes of the commands that ask a headend: pure. ``docs/commands.md`` lists them."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script may go by."""

    DONE = 0
    """Shown, ordered, or with ``--watch``: done, as telemetry tells."""
    REFUSED = 1
    """The headend refused it, or the dispatch ended otherwise than ordered."""
    USAGE = 2
    UNREACHABLE = 3
    """No headend answers there, or it cannot now: trying again may help."""
    UNMEASURED = 4
    """The dispatch ran to its end, and telemetry does not tell whether it was obeyed."""
    INTERRUPTED = 130
    """Ctrl-C. A dispatch that was ordered goes on."""
