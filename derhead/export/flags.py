"""The flags of ``derhead export``: pure, and light, since every ``derhead`` imports them."""

from argparse import _SubParsersAction
from typing import Any

from derproto.configuration.command_line import add_command
from derproto.configuration.settings import settings_note

OF_ASSETS = ("telemetry", "dispatches", "gaps")
OF_AGENTS = ("sessions", "heartbeats")
WHAT = (*OF_ASSETS, *OF_AGENTS)
"""Histories that can be exported."""


def add_parser(commands: "_SubParsersAction[Any]") -> None:
    """Adds the command to ``derhead``'s."""
    does = "write history as CSV or JSON Lines, newest first"
    command = add_command(
        commands,
        "export",
        does,
        "derhead export telemetry --assets assets.yaml --site North --step 15m --output north.csv",
        note=settings_note("DERHEAD", "data"),
    )
    command.add_argument("what", choices=WHAT, metavar="|".join(WHAT), help="the history to write")
    command.add_argument("--asset", metavar="A", action="append", help="an asset; may repeat")
    command.add_argument(
        "--site", metavar="S", action="append", help="all assets of a site; may repeat"
    )
    command.add_argument("--agent", metavar="ID", action="append", help="an agent's id; may repeat")
    command.add_argument("--from", metavar="T", dest="from_time", help="earliest time, RFC 3339")
    command.add_argument("--to", metavar="T", dest="to_time", help="latest time, exclusive")
    command.add_argument("--step", metavar="D", help="telemetry in steps, such as 15m")
    command.add_argument(
        "--format",
        metavar="csv|jsonl",
        choices=("csv", "jsonl"),
        default="csv",
        help="form of the output (default: csv)",
    )
    command.add_argument("--output", metavar="F", help="file to write (default: standard output)")
    command.add_argument("--config", metavar="F", help="YAML file of settings")
    command.add_argument("--assets", metavar="F", help="YAML file of the fleet")
    command.add_argument("--data", metavar="DIR", help="folder of the journal")
