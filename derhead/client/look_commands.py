"""``derhead status``, ``agents``, ``telemetry``, ``slo`` and ``audit``: they only look."""

import argparse
import json
import sys
from typing import Any

from derhead.client import level_rendering, rendering
from derhead.client.exits import Exit
from derhead.client.order_progress import OPEN_STATES
from derhead.client.printing import show, show_json, tell
from derhead.client.rest.following import Following
from derhead.client.rest.headend_client import HeadendClient, HeadendUnreachable, RequestRefused

LISTED = 100
"""Dispatches of each open state that ``status`` shows."""

WORST_LISTED = 5
"""Assets that ``slo`` shows below fleet and sites, the worst ones."""

AUDIT_LISTED = 50
"""Entries of the audit trail that ``audit`` shows, unless more are asked for."""

WORST = {"by": "asset", "limit": str(WORST_LISTED)}


# --- status -----------------------------------------------------------------------------


async def show_status(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows the state of headend and sites, and the open dispatches."""
    answer = await client.ask("GET", ("readyz",))
    ready = answer.body
    if not isinstance(ready, dict) or "checks" not in ready:
        answer.accepted()
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
    counts = [site["assets"] for site in found["sites"]]
    away = any(each["stale"] or each["offline"] for each in counts)
    assets = (await client.get("assets"))["items"] if found["dispatches"] or away else []
    found["away"] = await _away(client, assets) if away else []
    if args.json:
        show_json(found)
    else:
        names = {asset["id"]: asset["name"] for asset in assets}
        show(*rendering.status({**found, "names": names}))
    return Exit.REFUSED if ready["status"] == "unready" else Exit.DONE


async def _away(client: HeadendClient, assets: list[Any]) -> list[dict[str, Any]]:
    """The assets that are offline or stale, each with the time when it was last heard."""
    newest = {each["asset_id"]: each for each in (await client.get("telemetry"))["items"]}
    away = []
    for asset in assets:
        sample = newest.get(asset["id"])
        if sample is not None and (sample["stale"] or not asset["online"]):
            away.append(
                {
                    "asset_id": asset["id"],
                    "asset_name": asset["name"],
                    "site_name": asset["site_name"],
                    "state": "stale" if asset["online"] else "offline",
                    "since": sample["received_at"],
                    "agent_id": asset["agent_id"],
                }
            )
    return away


# --- agents -----------------------------------------------------------------------------


async def show_agents(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows the agents that are connected."""
    agents = (await client.get("agents"))["items"]
    if args.json:
        for agent in agents:
            show_json(agent)
        return Exit.DONE
    names = {asset["id"]: asset["name"] for asset in (await client.get("assets"))["items"]}
    names |= {site["id"]: site["name"] for site in (await client.get("sites"))["items"]}
    show(*rendering.agents(agents, names))
    return Exit.DONE


# --- telemetry --------------------------------------------------------------------------


async def show_telemetry(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows an asset's newest telemetry; with ``--follow``, each later value too."""
    item = await newest_of(client, args.asset)
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


async def newest_of(client: HeadendClient, asset: str) -> Any:
    """The asset's newest telemetry. Raises: HeadendUnreachable, RequestRefused."""
    if "/" in asset:
        # A name with a slash does not fit in a path.
        items = (await client.get("assets"))["items"]
        found = [each["id"] for each in items if each["name"] == asset]
        if not found:
            raise RequestRefused(f"no asset is called {asset!r}; GET /assets lists them")
        asset = found[0]
    return await client.get("telemetry", asset)


# --- service levels -------------------------------------------------------------------------


async def show_levels(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows how well promises held: of fleet, sites and the worst assets, or ``--by`` one kind."""
    given = {"site_id": args.site, "limit": args.limit}
    query = {name: str(value) for name, value in given.items() if value is not None}
    if args.csv:
        return await _print_table(client, "slo", {"by": args.by or "asset", **query})
    asked = [{"by": args.by}] if args.by else [{"by": "fleet"}, {"by": "site"}, WORST]
    items = []
    for each in asked:
        items += (await client.get("slo", **{**each, **query}))["items"]
    if args.json:
        for item in items:
            show_json(item)
    else:
        show(*level_rendering.levels(items))
    return Exit.DONE


async def _print_table(client: HeadendClient, path: str, query: dict[str, str]) -> int:
    """Prints a list as CSV, as it comes."""
    async with client.text((path,), query, "text/csv") as pieces:
        async for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return Exit.DONE


# --- audit ------------------------------------------------------------------------------


async def show_audit(client: HeadendClient, args: argparse.Namespace) -> int:
    """Shows the audit trail, newest first; ``--csv`` prints every entry that matches."""
    given = {
        "action": ",".join(args.action or ()),
        "caller": args.caller,
        "target": args.target,
        "site_id": args.site,
        "from": args.from_time,
        "to": args.to_time,
        "limit": args.limit if args.limit is not None else ("" if args.csv else AUDIT_LISTED),
    }
    query = {name: str(value) for name, value in given.items() if value not in (None, "")}
    if args.csv:
        return await _print_table(client, "audit", query)
    entries = (await client.get("audit", **query))["items"]
    if args.json:
        for entry in entries:
            show_json(entry)
    else:
        show(*rendering.audit(entries))
    return Exit.DONE
