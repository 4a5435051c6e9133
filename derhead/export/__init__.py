"""``derhead export``: history as a file, from the journal and PostgreSQL themselves."""

from argparse import Namespace

from derhead.export.flags import add_parser

__all__ = ["add_parser", "run"]


def run(flags: Namespace) -> None:
    """Runs the command; see ``command.run``."""
    # Imported late: the other commands need none of it.
    from derhead.export.command import run as export

    export(flags)
