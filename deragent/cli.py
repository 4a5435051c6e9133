"""The command ``deragent``: ``run``, ``check``, ``drivers``, ``probe`` and ``commission``."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial

import trio

from deragent.config import AgentConfig, AgentPlan, load, read_log_level
from deragent.devices import DeviceConfigError, DeviceError, open_device
from deragent.driver_list import installed_drivers, shape_of, tables_of
from deragent.timelines.timeline_file import DataFolderError
from derproto import __version__
from derproto.base.runtime import real_runtime
from derproto.configuration.command_line import add_command, make_parser, offer_completion
from derproto.configuration.problems import ConfigError
from derproto.configuration.settings import settings_note
from derproto.stdio.command import end_quietly, exit_code_of, put_out
from derproto.stdio.logs import configure_logging
from derproto.stdio.terminal import rendered
from derproto.system.hangups import release_hangups
from derproto.tls.certificate_settings import warn_of_certificates


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "deragent",
        "The agent between a site's devices and the headend.",
        __version__,
        "deragent run --assets assets.yaml --site North --headend 127.0.0.1:50051",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in (
        ("run", "serve assets until SIGTERM"),
        ("check", "check configuration, assets and devices, and summarize them"),
    ):
        example = f"deragent {name} --assets assets.yaml --site North --headend 192.0.2.7:50051"
        note = settings_note("DERAGENT", "headend")
        command = add_command(commands, name, does, example, note=note)
        command.add_argument("--config", metavar="F", help="YAML file of settings")
        command.add_argument("--assets", metavar="F", help="YAML file of the fleet")
        which = command.add_mutually_exclusive_group()
        which.add_argument("--site", metavar="S", help="id or name of the site to serve")
        which.add_argument(
            "--asset", metavar="A", action="append", help="id or name of an asset; may repeat"
        )
        command.add_argument("--agent-id", metavar="ID", help="id of this agent")
        command.add_argument("--headend", metavar="H:P", help="address of the headend")
        command.add_argument(
            "--token-file", metavar="F", help="file of the token to show the headend"
        )
        command.add_argument("--data", metavar="DIR", help="folder of dispatches and samples")
        command.add_argument("--log-level", metavar="L", help="debug, info, warning or error")
        command.add_argument("--log-format", metavar="FORM", help="logfmt, json or console")
        command.add_argument(
            "--events",
            action="store_true",
            default=None,
            help="print a line of JSON on stdout at each change of state",
        )
    does = "list the drivers that are installed, with the options of their devices"
    drivers = add_command(commands, "drivers", does, "deragent drivers")
    drivers.add_argument("--json", action="store_true", help="print JSON instead of tables")
    does = "list what devices at an address offer, with an assets file for them; only reads"
    probed = add_command(commands, "probe", does, "deragent probe 192.0.2.17 --unit 3")
    probed.add_argument("address", metavar="HOST[:PORT]", help="the device or its gateway")
    which = probed.add_mutually_exclusive_group()
    which.add_argument("--unit", metavar="N", default="1", help="Modbus unit (default 1)")
    which.add_argument("--scan", action="store_true", help="look for every unit, 1 to 247")
    probed.add_argument(
        "--map", metavar="MAP", help="read by this map of registers, instead of by SunSpec"
    )
    probed.add_argument("--tls", action="store_true", help="speak TLS, and check the certificate")
    for name, holds in (
        ("ca", "file of the authorities for it (default: the system's)"),
        ("cert", "file of one's own certificate, for a device that asks for one"),
        ("key", "file of its key (default: in that of --tls-cert)"),
    ):
        probed.add_argument(f"--tls-{name}", metavar="F", help=f"with --tls: PEM {holds}")
    probed.add_argument("--json", action="store_true", help="print JSON instead of tables")
    does = "test an asset's device on site: signs, limits, response, reversion, failsafe"
    example = "deragent commission north-battery --assets assets.yaml --page north.html"
    note = settings_note("DERAGENT", "assets")
    tested = add_command(commands, "commission", does, example, note=note)
    tested.add_argument("wanted", metavar="ASSET", help="id or name of the asset")
    tested.add_argument("--config", metavar="F", help="YAML file of settings, as of deragent run")
    tested.add_argument("--assets", metavar="F", help="YAML file of the fleet")
    tested.add_argument("--data", metavar="DIR", help="data folder of the agent, to see it stopped")
    tested.add_argument("--yes", action="store_true", help="begin without asking")
    tested.add_argument("--json", metavar="FILE", help="file for the result, as JSON")
    tested.add_argument("--page", metavar="FILE", help="file for the result, as a page to print")
    tested.add_argument("--log-level", metavar="L", help="debug, info, warning or error")
    offer_completion(parser)
    return parser


def summarize(config: AgentConfig, plan: AgentPlan) -> str:
    """A summary of the configuration in a few lines."""
    security = "TLS" if config.tls else "cleartext"
    security += ", token" if config.token_file else ""
    lines = [f"agent {plan.agent_id} of the headend at {config.headend} ({security})"]
    lines += [
        f"  {asset.name}: {asset.kind}, {asset.rated_mw:.6g} MW, {asset.device.driver}"
        for asset in plan.assets
    ]
    return "\n".join(lines)


async def _open_devices(plan: AgentPlan) -> list[DeviceConfigError]:
    runtime = real_runtime()
    wrong = []
    for asset in plan.assets:
        try:
            await open_device(asset, runtime)
        except DeviceConfigError as error:
            wrong.append(error)
    return wrong


def _run(args: argparse.Namespace) -> None:
    config, plan = load(args, os.environ)
    configure_logging(config.log_level, config.log_format)

    # Imported late: `check` and `--version` need none of it.
    from deragent.daemon import main as run

    read_level = partial(read_log_level, args, os.environ)
    read_plan = partial(_read_plan, args)
    trio.run(partial(run, config, plan, read_level=read_level, read_plan=read_plan))


def _read_plan(args: argparse.Namespace) -> AgentPlan:
    return load(args, os.environ)[1]


def _check(args: argparse.Namespace) -> None:
    now_us = real_runtime().wall_us()
    config, plan = load(args, os.environ, at_us=now_us)
    wrong = trio.run(_open_devices, plan)
    if wrong:
        raise ExceptionGroup("devices", wrong)
    put_out(f"{summarize(config, plan)}\n")
    warn_of_certificates(config.tls_ends(plan.agent_id), now_us)


def _list_drivers(args: argparse.Namespace) -> None:
    found, wrong = installed_drivers()
    if args.json:
        lines = [json.dumps(shape_of(each), ensure_ascii=False) for each in found]
        text = "\n".join(lines)
    else:
        text = rendered(sys.stdout, *tables_of(found))
    put_out(f"{text}\n" if text else "")
    if wrong:
        raise ExceptionGroup("drivers", wrong)


def _probe(args: argparse.Namespace) -> None:
    # Imported late: only this command needs Modbus.
    from deragent.probe_command import run_probe

    run_probe(args)


def _commission(args: argparse.Namespace) -> None:
    # Imported late: no other command needs it.
    from deragent.commissioning import commission

    plan = commission.read_plan(args, os.environ)
    if not args.yes:
        commission.confirm(plan.asset)
    commission.commission(plan, real_runtime())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 2 = mend the configuration, 1 = failed."""
    return end_quietly(lambda: _act(argv))


def _act(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    if args.command != "run":
        release_hangups()
    act = {
        "run": _run,
        "check": _check,
        "drivers": _list_drivers,
        "probe": _probe,
        "commission": _commission,
    }[args.command]
    return exit_code_of(
        "deragent",
        lambda: act(args),
        config_errors=(ConfigError, DeviceConfigError),
        failures=(OSError, DataFolderError, DeviceError),
    )
