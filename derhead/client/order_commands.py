"""``derhead dispatch`` and ``withdraw``: they change what assets do."""

import argparse
import json
import math
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from derhead.client import rendering
from derhead.client.exits import Exit
from derhead.client.look_commands import newest_of
from derhead.client.order_progress import SiteProgress, end_of
from derhead.client.printing import show, show_json, tell
from derhead.client.rest.following import Following
from derhead.client.rest.headend_client import HeadendClient, HeadendUnreachable, RequestRefused


async def order_dispatch(client: HeadendClient, args: argparse.Namespace) -> int:
    """Orders a dispatch; ``--dry-run`` only asks, ``--watch`` follows the dispatch to its end."""
    whom, name = await _find(client, args.name, of_site=args.site)
    lasting = args.duration_s is not None and math.isfinite(args.duration_s)
    chosen = {
        "duration_s": args.duration_s if lasting else None,
        "start_at": args.at,
        "priority": args.priority,
    }
    order = {
        **whom,
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
        return Exit.DONE if found["fits" if args.site else "within_limits"] else Exit.REFUSED
    if not args.watch:
        _show_ordered(await _place(client, order), name, as_json=args.json)
        return Exit.DONE
    async with Following(client, {"kind": "dispatch", **whom}, tell) as following:
        # The stream is open before the order is placed, so that no change is missed.
        await following.next()
        names = await _names(client) if args.site else {}
        placed = await _place(client, order)
        if not args.json:
            show(rendering.ordered_line(placed, name))
        try:
            if args.site:
                return await _watch_site(client, following, placed, names, as_json=args.json)
            return await _watch_asset(client, following, placed, as_json=args.json)
        except KeyboardInterrupt:
            tell(f"stopped watching; dispatch {placed['id']} goes on")
            raise


async def _find(client: HeadendClient, given: str, *, of_site: bool) -> tuple[dict[str, str], str]:
    """The member of an order that names its asset or site, and the name for people.

    Raises: HeadendUnreachable, RequestRefused.
    """
    if of_site:
        for site in (await client.get("sites"))["items"]:
            if given.lower() == site["id"] or given == site["name"]:
                return {"site_id": site["id"]}, site["name"]
        raise RequestRefused(f"no site has the id or name {given!r}; derhead status lists them")
    try:
        asset = await newest_of(client, given)
    except RequestRefused:
        if any(given == site["name"] for site in (await client.get("sites"))["items"]):
            raise RequestRefused(f"{given} is a site; add --site to order all of it") from None
        raise
    return {"asset_id": asset["asset_id"]}, asset["asset_name"]


def _show_ordered(placed: dict[str, Any], name: str, *, as_json: bool) -> None:
    if as_json:
        show_json(placed)
        return
    show(rendering.ordered_line(placed, name))
    if "parts" in placed:
        show(SiteProgress(placed).line())
    else:
        show(rendering.dispatch_line(placed))


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


async def _watch_asset(
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
        code = end_of(dispatch)
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
            found = await _again(client, dispatch)
            if found is not None:
                return found


async def _names(client: HeadendClient) -> dict[str, str]:
    """The name of each asset, by its id."""
    return {asset["id"]: asset["name"] for asset in (await client.get("assets"))["items"]}


async def _watch_site(
    client: HeadendClient,
    following: Following,
    group: dict[str, Any],
    names: Mapping[str, str],
    *,
    as_json: bool,
) -> int:
    """Follows an order to a site: a line for each change, or with JSON each changed part.

    ``names``: of the assets, for people.
    """
    progress = SiteProgress(group)
    shown: object = None
    if as_json:
        show_json(group)
    while True:
        line = progress.line()
        if not as_json and line != shown:
            show(line)
            shown = line
        found = await _again(client, group) if progress.settled else None
        if found is not None:
            # Another asset may have taken over since the last event.
            progress = SiteProgress(found)
            if progress.settled:
                break
        event = await following.next()
        data = json.loads(event.data)
        if event.event == "hello" and not data["resumed"]:
            progress = SiteProgress(await _again(client, group) or group)
        elif event.event == "dispatch" and progress.take(data["dispatch"]) and as_json:
            show_json(data["dispatch"])
    if as_json:
        show_json(found)
    else:
        show(rendering.group_line(found), *progress.verdicts(names))
    return progress.end(found)


async def _again(client: HeadendClient, placed: dict[str, Any]) -> dict[str, Any] | None:
    """The dispatch as it is now; None if the headend is away, which also ends the event stream."""
    try:
        found: dict[str, Any] = await client.get("dispatch", placed["id"])
    except HeadendUnreachable:
        return None
    return found


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
