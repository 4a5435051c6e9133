"""The command ``derlaunch``: ``run`` and ``generate``."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from deragent.devices import check_device
from derproto import __version__
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.command_line import add_command, make_parser, offer_completion
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import LOG_FORMATS, LOG_LEVELS, PATH, Kind, Whole, address, choice
from derproto.configuration.problems import ConfigError, Problem
from derproto.configuration.secret_files import read_sent_token
from derproto.configuration.settings import credential, state_directory
from derproto.stdio.command import EXIT_FAILED, end_quietly, exit_code_of, put_out
from launcher.drills.drill_times import LENGTH
from launcher.drills.plan_file import SEEDS, find_plan, load_plan
from launcher.fleets.generated_fleet import MOST_ASSETS, generate

T = TypeVar("T")

DRILL_FLAGS = {"--seed": "seed", "--for": "for_", "--verdict": "verdict"}
"""Flags for drills only, with their names in the parsed arguments."""
FLEET_FLAGS = {
    "--headend": "headend",
    "--in-process": "in_process",
    "--token-file": "token_file",
    "--modbus": "modbus",
}
"""Flags that a drill does not take."""


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
    run.add_argument("--assets", metavar="F", help="YAML file of the fleet")
    run.add_argument("--headend", metavar="H:P", help="address of the headend")
    run.add_argument(
        "--in-process",
        action="store_true",
        help="run all agents in this process (default: a process for each)",
    )
    run.add_argument(
        "--modbus",
        action="store_true",
        help="serve simulated devices over Modbus, and let the agents steer them by SunSpec",
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
        "--log-level", metavar="L", help="debug, info, warning or error (default: info)"
    )
    run.add_argument(
        "--log-format",
        metavar="FORM",
        help="logfmt, json or console (default: console on a terminal, else logfmt)",
    )
    run.add_argument(
        "--chaos",
        metavar="PLAN",
        help="hold a drill with its own headend: calm, bad-link, rough-day, poland, or a path",
    )
    run.add_argument(
        "--seed",
        metavar="S",
        help="with --chaos: a whole number, another seed draws other faults (default: the plan's)",
    )
    run.add_argument(
        "--for",
        metavar="T",
        dest="for_",
        help="with --chaos: length of the drill, such as 1m or 1h (default: the plan's)",
    )
    run.add_argument(
        "--verdict",
        metavar="F",
        help="with --chaos: file for the verdict as JSON, beside the one in the drill's folder",
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

    def require(self, flag: str, kind: Kind[T], text: str | None, advice: str) -> T | None:
        if text is None:
            self._complain(flag, f"missing; {advice}")
            return None
        return self.read(flag, kind, text)

    def refuse(self, args: argparse.Namespace, flags: Mapping[str, str], advice: str) -> None:
        """Complains of flags that do not belong to what the command is to do."""
        for flag, name in flags.items():
            if getattr(args, name):
                self._complain(flag, advice)

    def level(self, args: argparse.Namespace) -> str | None:
        if args.log_level is None:
            return None
        return self.read("--log-level", choice(LOG_LEVELS, "level"), args.log_level)

    def form(self, args: argparse.Namespace) -> str | None:
        if args.log_format is None:
            return None
        return self.read("--log-format", choice(LOG_FORMATS, "form"), args.log_format)

    def fleet(self, assets: Path | None) -> Fleet | None:
        try:
            fleet = None if assets is None else load_fleet(assets)
        except ConfigError as wrong:
            self.problems += wrong.problems
            return None
        for asset in () if fleet is None else fleet.assets.values():
            self.problems += check_device(asset)
        return fleet

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
    return _run_fleet(args) if args.chaos is None else _run_drill(args)


def _run_fleet(args: argparse.Namespace) -> int:
    flags = _Flags()
    flags.refuse(args, DRILL_FLAGS, "it is for drills; add --chaos, or leave it out")
    assets = flags.require("--assets", PATH, args.assets, "name the file of the fleet")
    headend = flags.require(
        "--headend", address(least_port=1), args.headend, "write the headend's host:port"
    )
    data = flags.read("--data", PATH, _data(args))
    named = args.token_file and flags.read("--token-file", PATH, args.token_file)
    token_file = named or credential(os.environ, "token")
    if token_file is not None:
        flags.check_token(token_file)
    form, level = flags.form(args), flags.level(args)
    fleet = flags.fleet(assets)
    if flags.problems or assets is None or headend is None or data is None or fleet is None:
        raise ConfigError(flags.problems)

    # Imported late: `generate` and `--version` need none of it.
    from launcher.running import FleetRun, run_fleet

    return run_fleet(
        FleetRun(
            assets, fleet, headend, args.in_process, data, token_file, form, level, args.modbus
        )
    )


def _run_drill(args: argparse.Namespace) -> int:
    flags = _Flags()
    flags.refuse(args, FLEET_FLAGS, "a drill has a headend and agents of its own; leave it out")
    data = flags.read("--data", PATH, _data(args))
    seed = args.seed and flags.read("--seed", SEEDS, args.seed)
    drill_s = args.for_ and flags.read("--for", LENGTH, args.for_)
    verdict = args.verdict and flags.read("--verdict", PATH, args.verdict)
    form, level = flags.form(args), flags.level(args)
    assets = args.assets and flags.read("--assets", PATH, args.assets)
    fleet = flags.fleet(assets)
    plan = None
    try:
        plan = load_plan(find_plan(args.chaos))
    except ConfigError as wrong:
        flags.problems += wrong.problems
    if flags.problems or plan is None or data is None:
        raise ConfigError(flags.problems)

    from launcher.drilling.drill_run import make_request, run_drill

    return run_drill(
        make_request(
            plan,
            fleet,
            data=data,
            seed=plan.seed if seed is None else seed,
            drill_s=plan.duration_s if drill_s is None else drill_s,
            log_format=form,
            log_level=level,
            verdict_file=verdict,
        )
    )


def _data(args: argparse.Namespace) -> str:
    return args.data or str(state_directory(os.environ) or "var/derlaunch")


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
