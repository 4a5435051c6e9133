"""``derhead pki``: a small authority in a folder, and certificates that it signs.

From the ground up: ``pki_flags`` (the command line), ``authority`` (makes certificates),
``pki_folder`` (keeps them in files), ``issuing`` (the command).
"""

from argparse import Namespace

from derhead.pki.pki_flags import add_parser


def run(flags: Namespace) -> None:
    """Runs the command; see ``issuing.run``."""
    # Imported late: the other commands do not need it.
    from derhead.pki.issuing import run as issue

    issue(flags)
