"""The command ``derlaunch``: ``run`` and ``generate``."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from derproto import __version__
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.command_line import add_command, make_parser, offer_completion
from derproto.configuration.kinds import LOG_FORMATS, PATH, Kind, Whole, address, choice
from derproto.configuration.problems import ConfigError, Problem
from derproto.configuration.secret_files import read_sent_token
from derproto.configuration.settings import credential, state_directory
from derproto.stdio.command import EXIT_FAILED, end_quietly, exit_code_of, put_out
from launcher.fleets.generated_fleet import MOST_ASSETS, generate

T = TypeVar("T")


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "derlaunch",
        "Starts fleets of simulated agents, for bring-up.",
        __version__,
        "derlaunch generate 20 > assets.yaml",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    does = "run the fleet's agents until Ctrl-C, and restart those that die"
    run = add_command(
        commands,
        "run",
        does,
        "derlaunch run --assets assets.yaml --headend 127.0.0.1:50051",
        variables={"STATE_DIRECTORY": "folder for --data, which systemd sets"},
    )
    run.add_argument("--assets", metavar="F", required=True, help="YAML file of the fleet")
    run.add_argument("--headend", metavar="H:P", required=True, help="address of the headend")
    run.add_argument(
        "--in-process",
        action="store_true",
        help="run all agents in this process (default: a process for each)",
    )
    run.add_argument(
        "--data",
        metavar="DIR",
        help="folder that holds a folder for each agent (default var/derlaunch)",
    )
    run.add_argument(
        "--token-file",
        metavar="F",
        help="file of a token for any agent (default: the credential token of the unit)",
    )
    run.add_argument(
        "--log-format",
        metavar="FORM",
        help="logfmt, json or console (default: console on a terminal, else logfmt)",
    )

    does = "print the YAML of a generated fleet; the same seed gives the same fleet"
    made = add_command(commands, "generate", does, "derlaunch generate 20 --seed 7 > assets.yaml")
    made.add_argument("n", metavar="N", help="number of assets")
    made.add_argument(
        "--seed",
        metavar="S",
        default="1",
        help="a whole number: another seed gives another fleet (default 1)",
    )
    offer_completion(parser)
    return parser


class _Flags:
    """Reads flags, and collects their problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, flag: str, kind: Kind[T], text: str) -> T | None:
        try:
            return kind.parse(text)
        except ValueError as wrong:
            self._complain(flag, str(wrong))
            return None

    def check_token(self, path: Path) -> None:
        """Complains of a file whose token the agents could not show."""
        if not path.is_file():
            self._complain("--token-file", f"there is no file {path}; correct the path")
            return
        try:
            read_sent_token(path)
        except OSError as wrong:
            self._complain("--token-file", str(wrong))

    def _complain(self, flag: str, text: str) -> None:
        self.problems.append(Problem(None, None, flag, text))


def _run(args: argparse.Namespace) -> int:
    flags = _Flags()
    assets = flags.read("--assets", PATH, args.assets)
    headend = flags.read("--headend", address(least_port=1), args.headend)
    kept = args.data or str(state_directory(os.environ) or "var/derlaunch")
    data = flags.read("--data", PATH, kept)
    named = args.token_file and flags.read("--token-file", PATH, args.token_file)
    token_file = named or credential(os.environ, "token")
    if token_file is not None:
        flags.check_token(token_file)
    form = args.log_format and flags.read(
        "--log-format", choice(LOG_FORMATS, "form"), args.log_format
    )
    fleet = None
    try:
        fleet = load_fleet(assets) if assets is not None else None
    except ConfigError as wrong:
        flags.problems += wrong.problems
    if flags.problems or assets is None or headend is None or data is None or fleet is None:
        raise ConfigError(flags.problems)

    # Imported late: `generate` and `--version` need none of it.
    from launcher.running import FleetRun, run_fleet

    return run_fleet(FleetRun(assets, fleet, headend, args.in_process, data, token_file, form))


def _generate(args: argparse.Namespace) -> int:
    flags = _Flags()
    n = flags.read("N", Whole(1, MOST_ASSETS), args.n)
    seed = flags.read("--seed", Whole(-(2**63), 2**63 - 1), args.seed)
    if n is None or seed is None:
        raise ConfigError(flags.problems)
    put_out(render_fleet(generate(n, seed)))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 2 = mend flags or file, 1 = failed."""
    return end_quietly(lambda: _act(argv))


def _act(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    act = {"run": _run, "generate": _generate}[args.command]
    code = EXIT_FAILED

    def run() -> None:
        nonlocal code
        code = act(args)

    return exit_code_of("derlaunch", run) or code
