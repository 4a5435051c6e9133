"""Runs the commands that ask a headend: thin clients of the REST API."""

import argparse
import os
from collections.abc import Awaitable, Callable, Mapping

import trio

from derhead.client.asking import Unanswered, ask_length
from derhead.client.exits import Exit
from derhead.client.look_commands import (
    show_agents,
    show_audit,
    show_levels,
    show_status,
    show_telemetry,
)
from derhead.client.order_commands import order_dispatch, withdraw_dispatch
from derhead.client.printing import tell
from derhead.client.rest.headend_client import HeadendClient, HeadendUnreachable, RequestRefused
from derhead.client.rest.own_token import find_token
from derproto.stdio.command import EXIT_PIPE, leaves

ACTS: Mapping[str, Callable[[HeadendClient, argparse.Namespace], Awaitable[int]]] = {
    "status": show_status,
    "agents": show_agents,
    "telemetry": show_telemetry,
    "dispatch": order_dispatch,
    "withdraw": withdraw_dispatch,
    "slo": show_levels,
    "audit": show_audit,
}


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns its exit code. Errors go to stderr."""
    try:
        token = find_token(args.token_file, os.environ)
    except OSError as wrong:
        tell(str(wrong))
        return Exit.USAGE
    code: int = Exit.DONE
    try:
        if args.command == "dispatch" and args.duration_s is None and not args.dry_run:
            args.duration_s = ask_length()
        code = trio.run(_run, args, token)
    except* Unanswered as group:
        code = Exit.USAGE
        for error in leaves(group):
            tell(str(error))
    except* BrokenPipeError:
        code = EXIT_PIPE
    except* (RequestRefused, HeadendUnreachable) as group:
        for error in leaves(group):
            code = Exit.REFUSED if isinstance(error, RequestRefused) else Exit.UNREACHABLE
            tell(str(error))
    except* KeyboardInterrupt:
        code = Exit.INTERRUPTED
    return code


async def _run(args: argparse.Namespace, token: str | None) -> int:
    async with HeadendClient(args.headend, ca=args.tls_ca, token=token) as client:
        return await ACTS[args.command](client, args)
