"""``derhead export``: history as a file, from the journal and PostgreSQL themselves.

From the ground up: ``flags``, ``export_request`` (what is asked for), both pure; ``parts`` (the
histories that it is made of), ``output`` (a file that is there whole or not at all),
``export_progress``, ``exporting``.
"""

from argparse import Namespace

from derhead.export.flags import add_parser

__all__ = ["add_parser", "run"]


def run(flags: Namespace) -> None:
    """Runs the command; see ``exporting.run``."""
    # Imported late: the other commands need none of it.
    from derhead.export.exporting import run as export

    export(flags)
