"""The commands that ask a headend, and their flags."""

import argparse
import math
import re
from collections.abc import Mapping
from pathlib import Path

from derhead.client.rest.headend_url import DEFAULT_URL, HeadendUrl, parse_headend_url
from derhead.client.rest.own_token import TOKEN_VARIABLE
from derproto.configuration.command_line import add_command

URL_VARIABLE = "DERHEAD_URL"
CA_VARIABLE = "DERHEAD_TLS_CA"

COMMANDS = ("status", "agents", "telemetry", "dispatch", "withdraw", "slo", "audit")

EVER = "ever"
"""In place of a duration: until the order is replaced."""

CLIENT_EXAMPLES = {
    "status": "derhead status --headend https://headend.example:8080 --tls-ca ca.pem",
    "agents": "derhead agents",
    "telemetry": "derhead telemetry battery-1 --follow",
    "dispatch": "derhead dispatch battery-1 -0.5 --for 15m --watch",
    "withdraw": "derhead withdraw 83081685-540e-4d6a-a396-442eb5dc83ef",
    "slo": "derhead slo --by asset --limit 10",
    "audit": "derhead audit --action order --from 2026-01-01T00:00:00Z --csv > orders.csv",
}

VARIABLES = {
    URL_VARIABLE: "address of the headend, for --headend",
    CA_VARIABLE: "file of authorities, for --tls-ca",
    TOKEN_VARIABLE: "the token to send; --token-file names its file",
    "NO_COLOR": "no colours on a terminal",
}

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"([0-9]{1,20}(?:[.][0-9]{1,20})?)([smhd])")
_PARTS = re.compile(f"(?:{_PART.pattern})+")


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``15m``, ``1h30m``. Raises: ArgumentTypeError."""
    if not _PARTS.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration; write one such as 90s, 15m or 1h30m"
        )
    return math.fsum(float(many) * _UNITS_S[unit] for many, unit in _PART.findall(text))


def parse_length(text: str) -> float:
    """As ``parse_duration``; ``ever`` is infinite. Raises: ArgumentTypeError."""
    return math.inf if text == EVER else parse_duration(text)


def parse_mw(text: str) -> float:
    """MW. Raises: ArgumentTypeError."""
    try:
        mw = float(text)
    except ValueError:
        mw = math.nan
    if not math.isfinite(mw):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a power; write MW, positive into the grid, such as 1.5 or -0.5"
        )
    return mw


def _headend_url(text: str) -> HeadendUrl:
    try:
        return parse_headend_url(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _existing_file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}; correct the path")
    return Path(text)


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", environ: Mapping[str, str]
) -> None:
    """Adds the commands to derhead's; some of their defaults come from the environment."""
    show = _add(commands, "status", environ, "show the state of a running headend and its sites")
    show.set_defaults(asset=None)
    _add(commands, "agents", environ, "show the agents that are connected")
    telemetry = _add(commands, "telemetry", environ, "show what an asset measures")
    telemetry.add_argument("asset", metavar="ASSET", help="name or UUID of the asset")
    telemetry.add_argument(
        "--follow", action="store_true", help="print a line for each new value, until Ctrl-C"
    )
    order = _add(commands, "dispatch", environ, "order an asset, or a whole site, to hold a power")
    order.add_argument(
        "name", metavar="ASSET", help="name or UUID of the asset, or with --site of the site"
    )
    order.add_argument(
        "--site", action="store_true", help="order a whole site: its assets share the power"
    )
    order.add_argument(
        "mw",
        metavar="MW",
        type=parse_mw,
        help="power to hold: positive into the grid, negative consumes or charges",
    )
    order.add_argument(
        "--for",
        dest="duration_s",
        metavar="T",
        type=parse_length,
        help="length of the window, such as 90s, 15m or 1h30m, or `ever`: until replaced"
        " (default: asked at a terminal, else required)",
    )
    order.add_argument("--at", metavar="TIME", help="start of the window, RFC 3339 (default: now)")
    order.add_argument(
        "--priority", metavar="N", type=int, help="0 to 255; the lower number wins (default 128)"
    )
    either = order.add_mutually_exclusive_group()
    either.add_argument(
        "--dry-run", action="store_true", help="order nothing; show what the order would do"
    )
    either.add_argument("--watch", action="store_true", help="follow the dispatch to its verdict")
    withdraw = _add(commands, "withdraw", environ, "withdraw a dispatch, or an order to a site")
    withdraw.add_argument(
        "dispatch", metavar="DISPATCH", help="its UUID, as `derhead status` has it"
    )
    levels = _add(
        commands,
        "slo",
        environ,
        "show how well the promises held in the last seven days",
        tables=True,
    )
    levels.add_argument(
        "--by",
        metavar="PART",
        choices=["fleet", "site", "agent", "asset"],
        help="a line for each of these (default: fleet, sites and the worst assets; assets"
        " with --csv)",
    )
    levels.add_argument("--site", metavar="S", help="only assets of this site, by name or UUID")
    levels.add_argument("--limit", metavar="N", type=int, help="lines at most, the worst ones")
    _add_audit(commands, environ)


def _add_audit(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", environ: Mapping[str, str]
) -> None:
    audit = _add(
        commands, "audit", environ, "show who ordered, withdrew or was refused what", tables=True
    )
    audit.add_argument(
        "--action", metavar="A", action="append", help="only this action, such as order; may repeat"
    )
    audit.add_argument("--caller", metavar="C", help="only this caller, by name or address")
    audit.add_argument("--target", metavar="ID", help="only what concerns this dispatch or agent")
    audit.add_argument("--site", metavar="S", help="only what concerns this site")
    audit.add_argument("--from", metavar="T", dest="from_time", help="earliest time, RFC 3339")
    audit.add_argument("--to", metavar="T", dest="to_time", help="latest time, exclusive")
    audit.add_argument(
        "--limit", metavar="N", type=int, help="entries at most (default: 50; all with --csv)"
    )


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    environ: Mapping[str, str],
    does: str,
    *,
    tables: bool = False,
) -> argparse.ArgumentParser:
    command = add_command(commands, name, does, CLIENT_EXAMPLES[name], variables=VARIABLES)
    command.add_argument(
        "--headend",
        metavar="URL",
        type=_headend_url,
        # A string default, so that argparse reports a wrong environment value like a wrong flag.
        default=environ.get(URL_VARIABLE) or DEFAULT_URL,
        help=f"address of the headend's REST API (default ${URL_VARIABLE}, else {DEFAULT_URL})",
    )
    command.add_argument(
        "--tls-ca",
        metavar="F",
        type=_existing_file,
        default=environ.get(CA_VARIABLE) or None,
        help="PEM file of the authorities for the headend's certificate "
        f"(default ${CA_VARIABLE}, else the system's)",
    )
    command.add_argument(
        "--token-file",
        metavar="F",
        type=_existing_file,
        help=f"file of the token to send (default: the token itself in ${TOKEN_VARIABLE})",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of tables")
    if tables:
        form.add_argument("--csv", action="store_true", help="print CSV (RFC 4180)")
    return command
