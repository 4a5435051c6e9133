"""The command ``derhead``: the daemon, its files, and questions to a headend that runs."""

import argparse
import math
import os
import sys
from collections.abc import Collection, Sequence

from derhead import client, export, pki
from derhead.config import HeadendConfig, load, load_settings, warn_of_tokens
from derhead.errors import ClaimError, JournalError, PkiRefused, TokenRefused
from derhead.local_commands import (
    add_backup_commands,
    add_token_command,
    run_backup,
    run_restore,
    run_token,
)
from derproto import __version__
from derproto.configuration.command_line import add_command, make_parser, offer_completion
from derproto.configuration.fleet import Asset, AssetKind, Fleet
from derproto.configuration.settings import settings_note
from derproto.stdio.command import end_quietly, exit_code_of, put_out
from derproto.stdio.logs import configure_logging
from derproto.system.hangups import release_hangups
from derproto.tls.certificate_settings import warn_of_certificates


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "derhead",
        "A lightweight headend for distributed energy resources.",
        __version__,
        "derhead serve --assets assets.yaml",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in (
        ("serve", "serve agents and REST until SIGTERM"),
        ("check", "check configuration and assets, and summarize them"),
    ):
        example = f"derhead {name} --config /etc/derhead/derhead.yaml"
        command = add_command(commands, name, does, example, note=settings_note("DERHEAD", "http"))
        command.add_argument("--config", metavar="F", help="YAML file of settings")
        command.add_argument("--assets", metavar="F", help="YAML file of the fleet")
        command.add_argument(
            "--http", metavar="H:P", help="address of REST (default 127.0.0.1:8080)"
        )
        command.add_argument(
            "--grpc", metavar="H:P", help="address for agents (default 127.0.0.1:50051)"
        )
        command.add_argument("--data", metavar="DIR", help="folder of the journal")
        command.add_argument("--log-level", metavar="L", help="debug, info, warning or error")
        command.add_argument("--log-format", metavar="FORM", help="logfmt, json or console")
        command.add_argument(
            "--standby",
            action="store_const",
            const="true",
            help="wait while another headend holds the PostgreSQL, then take over",
        )
        command.add_argument(
            "--insecure",
            action="store_const",
            const="true",
            help="start also where other machines could use it without TLS and credentials",
        )
    client.add_commands(commands, os.environ)
    export.add_parser(commands)
    add_backup_commands(commands)
    pki.add_parser(commands)
    add_token_command(commands)
    offer_completion(parser)
    return parser


def summarize(config: HeadendConfig, fleet: Fleet) -> str:
    """What a configuration holds, in a few lines for people."""
    assets = list(fleet.assets.values())
    lines = [f"{config.assets}: {_count(len(fleet.sites), 'site')}, {_total(assets)}"]
    for kind in AssetKind:
        of_kind = [asset for asset in assets if asset.kind is kind]
        if of_kind:
            lines.append(f"  {kind.value:<10}  {_total(of_kind)}")
    agents = "TLS with client certificates" if config.tls_client_ca else _security(config.tls_cert)
    agents += ", tokens" if config.agent_tokens else ""
    rest = _security(config.http_tls) + (", tokens" if config.authenticates else "")
    lines.append(f"REST at {config.http} ({rest}), agents at {config.grpc} ({agents})")
    lines.append(f"journal in {config.data}")
    if config.postgres_dsn is not None:
        lines.append(
            f"fed to PostgreSQL at {config.postgres_dsn}, kept {config.postgres_days} days"
        )
    return "\n".join(lines)


def _security(tls: object) -> str:
    return "TLS" if tls else "cleartext"


def _total(assets: Collection[Asset]) -> str:
    rated_mw = math.fsum(asset.rated_mw for asset in assets)
    return f"{_count(len(assets), 'asset')}, {rated_mw:.6g} MW"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _serve(args: argparse.Namespace) -> None:
    config, fleet = load(args, os.environ)
    configure_logging(config.log_level, config.log_format)

    # Imported late: `check` and `--version` need none of it.
    import trio

    from derhead.daemon import main as serve

    trio.run(serve, config, fleet, lambda: load_settings(args, os.environ).log_level)


def _check(args: argparse.Namespace) -> None:
    from derproto.base.runtime import real_runtime

    now_us = real_runtime().wall_us()
    config, fleet = load(args, os.environ, at_us=now_us)
    put_out(f"{summarize(config, fleet)}\n")
    warn_of_certificates(config.tls_ends(), now_us)
    warn_of_tokens(config, fleet, now_us)
    for each in config.exposures():
        print(f"warning: {each.setting}: {each.fact}; {each.remedy}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 2 = mend the configuration, 1 = failed.

    Commands that ask a headend have further exit codes: see ``docs/commands.md``.
    """
    return end_quietly(lambda: _act(argv))


def _act(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    if args.command != "serve":
        release_hangups()
    if args.command in client.COMMANDS:
        return client.run(args)
    act = {
        "serve": _serve,
        "check": _check,
        "export": export.run,
        "backup": run_backup,
        "restore": run_restore,
        "pki": pki.run,
        "token": run_token,
    }[args.command]
    failures = (OSError, JournalError, ClaimError, PkiRefused, TokenRefused)
    return exit_code_of("derhead", lambda: act(args), failures=failures)
