"""Answers as people read them: pure.

Power is positive into the grid, negative for consumption and charging. ``-`` is unknown.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from derproto.base.terminal import columns

Json = Mapping[str, Any]


STYLES = {
    **dict.fromkeys(("ready", "started", "achieved"), "green"),
    **dict.fromkeys(("degraded", "stale", "suspended"), "yellow"),
    **dict.fromkeys(("unready", "rejected", "failed", "expired", "deviating"), "red"),
}
"""Colours of states on a terminal: of headends, assets, dispatches and verdicts."""


def state(word: str) -> Text:
    """A state, in its colour."""
    return Text(word, style=STYLES.get(word, ""))


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


def status(found: Json) -> list[RenderableType]:
    """The state of a headend; ``found`` is the output of ``derhead status --json``."""
    ready = found["ready"]
    parts: list[RenderableType] = [Text.assemble(f"{found['headend']} is ", state(ready["status"]))]
    parts += [
        f"  {check['name']}: {check['detail']}"
        for check in ready["checks"]
        if check["status"] != "ready"
    ]
    agents = len(found["agents"])
    parts += ["", _site_table(found["sites"]), ""]
    parts.append(f"{agents} {'agent is' if agents == 1 else 'agents are'} connected")
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


def _dispatch_table(dispatches: Sequence[Json], names: Mapping[str, str]) -> Table:
    table = columns("ASSET", "STATE", "DISPATCH", "BY", "MW", "FROM", "UNTIL", words=4)
    for each in dispatches:
        table.add_row(
            Text(names.get(each["asset_id"], each["asset_id"])),
            state(each["state"]),
            each["id"],
            # An older headend does not tell.
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


def verdict_line(verdict: Json) -> str:
    """The verdict on a dispatch that has ended."""
    words = [f"verdict: {verdict['outcome']}"]
    if verdict.get("mean_error_mw") is not None:
        words.append(f"mean error {number(verdict['mean_error_mw'])} MW")
    if verdict.get("within_tolerance_ms") is not None:
        words.append(f"within tolerance after {number(verdict['within_tolerance_ms'] / 1000, 1)} s")
    return ", ".join(words)
