"""Renders answers as text for people: pure.

Power is positive into the grid, negative for consumption and charging. ``-`` is unknown.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from derproto.stdio.terminal import columns

Json = Mapping[str, Any]


STYLES = {
    **dict.fromkeys(("ready", "started", "achieved"), "green"),
    **dict.fromkeys(("degraded", "stale", "suspended"), "yellow"),
    **dict.fromkeys(("unready", "offline", "rejected", "failed", "expired", "deviating"), "red"),
}
"""Colours of states on a terminal: of headends, assets, dispatches and verdicts."""


AWAY_LISTED = 20
"""Assets that are away, in the table of ``status``; ``--json`` has all."""

ASSETS_LISTED = 5
"""Assets of an agent, in the table of ``agents``; ``--json`` has all."""

DETAIL_SHOWN = 120
"""Characters of a reason, in the table of ``audit``; ``--json`` and ``--csv`` have all."""


def state(word: str) -> Text:
    """A state, in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def plain(text: str | None) -> Text:
    """Text from outside, without characters that could steer a terminal."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text or "-"))


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    # Adding 0.0 turns -0.0 into 0.0: otherwise -0.0004 would read -0.000.
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"


def power(value: float | None) -> str:
    """MW, with its sign."""
    return number(value, signed=True)


def clock(time: str | None) -> str:
    """The time of day of an RFC 3339 time, in UTC and seconds."""
    return "-" if time is None else time[11:19]


def moment(time: str | None) -> str:
    """An RFC 3339 time with its date, in UTC and seconds."""
    return "never" if time is None else f"{time[:10]} {clock(time)}"


def status(found: Json) -> list[RenderableType]:
    """The state of a headend; ``found`` is the output of ``derhead status --json``."""
    ready = found["ready"]
    parts: list[RenderableType] = [Text.assemble(f"{found['headend']} is ", state(ready["status"]))]
    parts += [
        f"  {check['name']}: {check['detail']}"
        for check in ready["checks"]
        if check["status"] != "ready"
    ]
    count = len(found["agents"])
    parts += ["", _site_table(found["sites"]), ""]
    parts.append(f"{count} {'agent is' if count == 1 else 'agents are'} connected")
    if found["away"]:
        parts += ["", *away_table(found["away"])]
    if found["dispatches"]:
        parts += ["", _dispatch_table(found["dispatches"], found["names"])]
    return parts


def _site_table(sites: Sequence[Json]) -> Table:
    table = columns("SITE", "ASSETS", "ONLINE", "STALE", "OFFLINE", "P MW", "UP MW", "DOWN MW")
    for site in sites:
        table.add_row(*_site_row(site["name"], [site]))
    if len(sites) > 1:
        table.add_row(*_site_row("all", sites), style="bold")
    return table


def _site_row(name: str, sites: Sequence[Json]) -> tuple[RenderableType, ...]:
    """The figures of one site, or the sums of several."""
    assets, online, stale, offline = (
        sum(site["assets"][which] for site in sites)
        for which in ("total", "online", "stale", "offline")
    )
    known = [site["p_mw"] for site in sites if site["p_mw"] is not None]
    return (
        Text(name),
        str(assets),
        str(online),
        Text(str(stale), style="yellow" if stale else ""),
        Text(str(offline), style="red" if offline else ""),
        power(math.fsum(known) if known else None),
        number(math.fsum(site["available_up_mw"] for site in sites)),
        number(math.fsum(site["available_down_mw"] for site in sites)),
    )


def away_table(away: Sequence[Json]) -> list[RenderableType]:
    table = columns("ASSET", "SITE", "STATE", "SINCE", "AGENT", words=5)
    for each in away[:AWAY_LISTED]:
        table.add_row(
            Text(each["asset_name"]),
            Text(each["site_name"]),
            Text(each["state"], style=STYLES[each["state"]]),
            moment(each["since"]),
            Text(each["agent_id"] or "-"),
        )
    more = len(away) - AWAY_LISTED
    return [table] if more <= 0 else [table, f"and {more} more, which --json lists"]


def agents(found: Sequence[Json], names: Mapping[str, str]) -> list[RenderableType]:
    """The connected agents; ``names`` of assets and sites, by id."""
    if not found:
        return ["no agent is connected"]
    table = columns("AGENT", "SITE", "SINCE", "VERSION", "ADDRESS", "ASSETS", words=6)
    for each in found:
        assets = sorted(names.get(asset, asset) for asset in each["asset_ids"])
        more = len(assets) - ASSETS_LISTED
        table.add_row(
            each["id"],
            Text(names.get(each["site_id"], "-")),
            moment(each["connected_at"]),
            plain(each["software_version"]),
            each["peer"],
            Text(", ".join(assets[:ASSETS_LISTED]) + (f" and {more} more" if more > 0 else "")),
        )
    return [table]


def audit(entries: Sequence[Json]) -> list[RenderableType]:
    """Entries of the audit trail."""
    if not entries:
        return ["there is no such entry"]
    table = columns("TIME", "ACTION", "BY", "FROM", "TARGET", "DETAIL", words=6)
    for each in entries:
        table.add_row(
            moment(each["at"]),
            each["action"],
            *(plain(each[name]) for name in ("caller", "peer", "target")),
            plain(_detail(each)),
        )
    return [table]


def _detail(entry: Json) -> str:
    after = entry["after"] or {}
    mw = after.get("mw", after.get("asked", {}).get("mw"))
    site = after.get("claimed", {}).get("site_id")
    parts = (
        # A refused order may ask for anything.
        f"{power(mw)} MW" if isinstance(mw, int | float) else None,
        None if site is None else f"claims the site {site}",
        entry["detail"],
    )
    text = ": ".join(part for part in parts if part)
    return text if len(text) <= DETAIL_SHOWN else f"{text[:DETAIL_SHOWN]}…"


def _dispatch_table(dispatches: Sequence[Json], names: Mapping[str, str]) -> Table:
    table = columns("ASSET", "STATE", "DISPATCH", "BY", "MW", "FROM", "UNTIL", words=4)
    for each in dispatches:
        table.add_row(
            Text(names.get(each["asset_id"], each["asset_id"])),
            state(each["state"]),
            each["id"],
            # An older headend does not send it.
            Text(each.get("ordered_by") or "-"),
            power(each["mw"]),
            clock(each["start_at"]),
            clock(each["end_at"]),
        )
    return table


def telemetry_lines(item: Json) -> list[str]:
    """An asset's newest telemetry."""
    if item["ts"] is None:
        return [f"{item['asset_name']} has never sent telemetry"]
    stale = ", stale" if item["stale"] else ""
    lines = [f"{item['asset_name']}, {number(item['age_s'], 1)} s ago{stale}"]
    for name, text, unit in (
        ("active power", power(item["p_mw"]), "MW"),
        ("setpoint", power(item["setpoint_mw"]), "MW"),
        ("reactive power", power(item["q_mvar"]), "Mvar"),
        ("state of charge", _percent(item["soc"]), "%"),
        ("voltage", number(item["voltage_v"], 1), "V"),
        ("frequency", number(item["frequency_hz"]), "Hz"),
    ):
        if text != "-":
            lines.append(f"  {name:<16}{text:>10} {unit}")
    lines.append(f"  {'status':<16}{item['status'] or '-':>10}")
    if item["quality"]:
        lines.append(f"  quality: {', '.join(item['quality'])}")
    return lines


TELEMETRY_HEADING = (
    f"{'TIME':<8}  {'P MW':>9}  {'SETPOINT':>9}  {'SOC %':>6}  {'V':>7}  {'HZ':>7}  STATUS"
)


def telemetry_row(item: Json) -> str:
    """An asset's telemetry as one line, under ``TELEMETRY_HEADING``."""
    flags = ["stale"] if item["stale"] else []
    status = " ".join([item["status"] or "-", *flags, *item["quality"]])
    return (
        f"{clock(item['ts']):<8}  {power(item['p_mw']):>9}  {power(item['setpoint_mw']):>9}"
        f"  {_percent(item['soc']):>6}  {number(item['voltage_v'], 1):>7}"
        f"  {number(item['frequency_hz']):>7}  {status}"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def dispatch_line(dispatch: Json) -> str:
    """The state of a dispatch in one line."""
    at = clock(dispatch["states"][-1]["at"]) if dispatch["states"] else "-"
    words = [f"{at}  {dispatch['state']}"]
    if dispatch["state"] == "started":
        words.append(f"at {power(dispatch['applied_mw'])} MW")
    # An older headend sends no detail.
    if reasons := list(filter(None, (dispatch["reason"], dispatch.get("detail")))):
        words.append(f"({': '.join(reasons)})")
    if dispatch["suspended"]:
        words.append(f"suspended ({dispatch['suspended']})")
    by = f" by {who}" if (who := dispatch.get("withdrawn_by")) else ""
    if dispatch["cancelling"]:
        words.append(f"being withdrawn{by} ({dispatch['cancelling']})")
    elif by:
        words.append(f"withdrawn{by}")
    return " ".join(words)


def ordered_line(dispatch: Json, asset_name: str) -> str:
    """The order, and the id of its dispatch."""
    until = (
        "until it is replaced"
        if dispatch["end_at"] is None
        else f"until {clock(dispatch['end_at'])}"
    )
    return (
        f"{dispatch['id']}: {asset_name} at {power(dispatch['mw'])} MW"
        f" from {clock(dispatch['start_at'])} {until} (UTC)"
    )


def group_line(group: Json) -> str:
    """The state of an order to a site in one line."""
    by = f" by {who}" if (who := group.get("withdrawn_by")) else ""
    words = f"{group['id']}: {power(group['mw'])} MW, {group['state']}: {group['summary']}"
    return f"{words}, being withdrawn{by}" if group["cancelling"] else words


def verdict_line(verdict: Json) -> str:
    """The verdict on a dispatch that has ended."""
    words = [f"verdict: {verdict['outcome']}"]
    if verdict.get("mean_error_mw") is not None:
        words.append(f"mean error {number(verdict['mean_error_mw'])} MW")
    if verdict.get("within_tolerance_ms") is not None:
        words.append(f"within tolerance after {number(verdict['within_tolerance_ms'] / 1000, 1)} s")
    return ", ".join(words)
