"""``derhead export``: history as a file, read from the journal and PostgreSQL.

From the ground up: ``flags``, ``export_request`` (the request), both pure; ``parts`` (the
histories of an export), ``output`` (a file that appears only when complete),
``export_progress``, ``exporting``.
"""

from argparse import Namespace

from derhead.export.flags import add_parser


def run(flags: Namespace) -> None:
    """Runs the command; see ``exporting.run``."""
    # Imported late: the other commands do not need it.
    from derhead.export.exporting import run as export

    export(flags)
