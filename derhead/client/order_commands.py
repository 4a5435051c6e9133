"""``derhead dispatch`` and ``withdraw``: they change what assets do."""

import argparse
import json
from typing import Any
from uuid import uuid4

from derhead.client import rendering
from derhead.client.exits import Exit
from derhead.client.following import Following
from derhead.client.headend_client import HeadendClient, HeadendUnreachable
from derhead.client.look_commands import OPEN_STATES, newest_of
from derhead.client.printing import show, show_json, tell

ENDED_WELL = "completed"


async def order_dispatch(client: HeadendClient, args: argparse.Namespace) -> int:
    """Orders a dispatch; ``--dry-run`` only asks, ``--watch`` follows the dispatch to its end."""
    asset = await newest_of(client, args.asset)
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


# --- withdraw ---------------------------------------------------------------------------


async def withdraw_dispatch(client: HeadendClient, args: argparse.Namespace) -> int:
    """Withdraws a dispatch, or an order to a site."""
    found = (await client.ask("DELETE", ("dispatch", args.dispatch))).accepted()
    if args.json:
        show_json(found)
    elif "parts" in found:
        show(rendering.group_line(found))
    else:
        show(rendering.dispatch_line(found))
    return Exit.DONE
