"""The commands that ask a running headend over its REST API.

From the ground up: ``rest/`` (the headend's REST API), ``exits`` (exit codes), ``options`` (flags),
``rendering`` and ``level_rendering`` (answers as text for people), ``order_progress``,
``printing``, ``asking`` (questions at the terminal), ``look_commands``, ``order_commands``,
``commands``.
"""

import argparse

from derhead.client.options import COMMANDS, add_commands


def run(args: argparse.Namespace) -> int:
    """Runs one of ``COMMANDS``; returns its exit code."""
    # Imported late: the headend's other commands do not need it.
    from derhead.client.commands import run as run_command

    return run_command(args)
