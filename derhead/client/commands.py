"""``derhead status``, ``telemetry`` and ``dispatch``: thin clients of the REST API."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import trio
from rich.console import RenderableType

from derhead.client import rendering
from derhead.client.exits import Exit
from derhead.client.following import Following
from derhead.client.headend_client import HeadendClient, HeadendUnreachable, RequestRefused
from derhead.client.own_token import find_token
from derproto.base.command import drop_output, leaves
from derproto.base.terminal import rendered

OPEN_STATES = ("pending", "sent", "received", "started")

ENDED_WELL = "completed"

LISTED = 100
"""Dispatches of each open state that ``status`` shows."""


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns its exit code. Errors go to stderr."""
    try:
        token = find_token(args.token_file, os.environ)
    except ValueError as wrong:
        tell(str(wrong))
        return Exit.USAGE
    code: int = Exit.DONE
    try:
        code = trio.run(_run, args, token)
    except* BrokenPipeError:
        drop_output()
    except* (RequestRefused, HeadendUnreachable) as group:
        for error in leaves(group):
            code = Exit.REFUSED if isinstance(error, RequestRefused) else Exit.UNREACHABLE
            tell(str(error))
    except* KeyboardInterrupt:
        code = Exit.INTERRUPTED
    return code


async def _run(args: argparse.Namespace, token: str | None) -> int:
    act: dict[str, Callable[[HeadendClient, argparse.Namespace], Awaitable[int]]] = {
        "status": show_status,
        "telemetry": show_telemetry,
        "dispatch": order_dispatch,
    }
    async with HeadendClient(args.headend, ca=args.tls_ca, token=token) as client:
        return await act[args.command](client, args)


def tell(line: str) -> None:
    """Prints a line for people, on stderr."""
    print(f"derhead: {line}", file=sys.stderr, flush=True)


def show(*parts: RenderableType) -> None:
    """Prints to standard output: with colours on a terminal, else as plain text."""
    print(rendered(sys.stdout, *parts), flush=True)


def show_json(shape: object) -> None:
    print(json.dumps(shape, ensure_ascii=False), flush=True)


# --- status -----------------------------------------------------------------------------


async def show_status(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows the state of headend and sites, and the open dispatches."""
    ready = (await client.ask("GET", ("readyz",))).body
    if not isinstance(ready, dict) or "checks" not in ready:
        raise HeadendUnreachable(f"{args.headend.text} is not a headend")
    found = {
        "headend": args.headend.text,
        "ready": ready,
        "sites": (await client.get("sites"))["items"],
        "agents": (await client.get("agents"))["items"],
        "dispatches": [
            dispatch
            for state in OPEN_STATES
            for dispatch in (
                await client.get("dispatch", "history", state=state, limit=str(LISTED))
            )["items"]
        ],
    }
    if args.json:
        show_json(found)
    else:
        assets = (await client.get("assets"))["items"] if found["dispatches"] else []
        names = {asset["id"]: asset["name"] for asset in assets}
        show(*rendering.status({**found, "names": names}))
    return Exit.REFUSED if ready["status"] == "unready" else Exit.DONE


async def _newest(client: HeadendClient, asset: str) -> Any:
    """The asset's newest telemetry. Raises: HeadendUnreachable, RequestRefused."""
    if "/" in asset:
        # A name with a slash does not fit in a path.
        items = (await client.get("assets"))["items"]
        found = [each["id"] for each in items if each["name"] == asset]
        if not found:
            raise RequestRefused(f"no asset is called {asset!r}; GET /assets lists them")
        asset = found[0]
    return await client.get("telemetry", asset)


# --- telemetry --------------------------------------------------------------------------


async def show_telemetry(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows an asset's newest telemetry; with ``--follow``, each later value too."""
    item = await _newest(client, args.asset)
    if not args.follow:
        if args.json:
            show_json(item)
        else:
            show(*rendering.telemetry_lines(item))
        return Exit.DONE
    if not args.json:
        show(rendering.TELEMETRY_HEADING)
    query = {"kind": "telemetry", "asset_id": item["asset_id"]}
    async with Following(client, query, tell) as following:
        while True:
            event = await following.next()
            if event.event == "telemetry":
                for each in json.loads(event.data)["items"]:
                    if args.json:
                        show_json(each)
                    else:
                        show(rendering.telemetry_row(each))


# --- dispatch ---------------------------------------------------------------------------


async def order_dispatch(client: HeadendClient, args: argparse.Namespace) -> int:
    """Orders a dispatch; ``--dry-run`` only asks, ``--watch`` follows the dispatch to its end."""
    asset = await _newest(client, args.asset)
    chosen = {"duration_s": args.duration_s, "start_at": args.at, "priority": args.priority}
    order = {
        "asset_id": asset["asset_id"],
        "mw": args.mw,
        **{name: value for name, value in chosen.items() if value is not None},
    }
    if args.dry_run:
        found = (
            await client.ask("POST", ("dispatch",), body={**order, "dry_run": True})
        ).accepted()
        if args.json:
            show_json(found)
        else:
            show(found["sentence"])
        return Exit.DONE if found["within_limits"] else Exit.REFUSED
    if not args.watch:
        dispatch = await _place(client, order)
        if args.json:
            show_json(dispatch)
        else:
            show(rendering.ordered_line(dispatch, asset["asset_name"]))
            show(rendering.dispatch_line(dispatch))
        return Exit.DONE
    query = {"kind": "dispatch", "asset_id": asset["asset_id"]}
    async with Following(client, query, tell) as following:
        # The stream is open before the order is placed, so that no change is missed.
        await following.next()
        dispatch = await _place(client, order)
        if not args.json:
            show(rendering.ordered_line(dispatch, asset["asset_name"]))
        try:
            return await _watch(client, following, dispatch, as_json=args.json)
        except KeyboardInterrupt:
            tell(f"stopped watching; dispatch {dispatch['id']} goes on")
            raise


async def _place(client: HeadendClient, order: dict[str, Any]) -> dict[str, Any]:
    """Places an order; returns its dispatch.

    If the answer is lost, sends the request once more: its key makes it the same order.
    """
    headers = {"Idempotency-Key": str(uuid4())}
    try:
        answer = await client.ask("POST", ("dispatch",), body=order, headers=headers)
    except HeadendUnreachable as lost:
        tell(f"{lost}; sending the order once more")
        answer = await client.ask("POST", ("dispatch",), body=order, headers=headers)
    dispatch: dict[str, Any] = answer.accepted()
    return dispatch


async def _watch(
    client: HeadendClient, following: Following, dispatch: dict[str, Any], *, as_json: bool
) -> int:
    shown: object = None
    while True:
        line = rendering.dispatch_line(dispatch)
        if as_json and dispatch != shown:
            show_json(dispatch)
            shown = dispatch
        elif not as_json and line != shown:
            show(line)
            shown = line
        code = _end_of(dispatch)
        if code is not None:
            if not as_json and dispatch["verdict"] is not None:
                show(rendering.verdict_line(dispatch["verdict"]))
            return code
        dispatch = await _next(client, following, dispatch)


async def _next(
    client: HeadendClient, following: Following, dispatch: dict[str, Any]
) -> dict[str, Any]:
    """The dispatch after its next change."""
    while True:
        event = await following.next()
        data = json.loads(event.data)
        if event.event == "dispatch" and data["dispatch"]["id"] == dispatch["id"]:
            changed: dict[str, Any] = data["dispatch"]
            return changed
        if event.event == "hello" and not data["resumed"]:
            try:
                found: dict[str, Any] = await client.get("dispatch", dispatch["id"])
            except HeadendUnreachable:
                # The event stream is lost too, and reopens.
                continue
            return found


def _end_of(dispatch: dict[str, Any]) -> int | None:
    """The exit code; None while the dispatch or its verdict is open."""
    if dispatch["state"] in OPEN_STATES:
        return None
    if dispatch["state"] != ENDED_WELL:
        return Exit.REFUSED
    verdict = dispatch["verdict"]
    if verdict is None or not verdict.get("final", True):
        return None
    outcomes = {"achieved": Exit.DONE, "deviating": Exit.REFUSED}
    return outcomes.get(verdict["outcome"], Exit.UNMEASURED)
