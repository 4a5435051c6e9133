"""What commands show, as lines of text: pure.

Power is signed as everywhere: + into the grid, - consumption and charging. Unknown is ``-``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines of columns; the first ``left`` are words, the others end alike, as numbers do."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, *rows):
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    # -0.0004 would be written as -0.000.
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"


def power(value: float | None) -> str:
    """MW, with its sign."""
    return number(value, signed=True)


def clock(time: str | None) -> str:
    """The time of day of an RFC 3339 time, UTC, to the second."""
    return "-" if time is None else time[11:19]


def status_lines(found: Json) -> list[str]:
    """A headend at a glance; ``found`` is what ``derhead status --json`` prints."""
    ready = found["ready"]
    lines = [f"{found['headend']} is {ready['status']}"]
    lines += [
        f"  {check['name']}: {check['detail']}"
        for check in ready["checks"]
        if check["status"] != "ready"
    ]
    lines += ["", *_site_lines(found["sites"]), ""]
    agents, dispatches = len(found["agents"]), found["dispatches"]
    lines.append(f"{agents} {'agent is' if agents == 1 else 'agents are'} connected")
    if dispatches:
        lines += ["", *_dispatch_lines(dispatches, found["names"])]
    return lines


def _site_lines(sites: Sequence[Json]) -> list[str]:
    headings = ("SITE", "ASSETS", "ONLINE", "STALE", "OFFLINE", "P MW", "UP MW", "DOWN MW")
    rows = [_site_row(site["name"], [site]) for site in sites]
    if len(sites) > 1:
        rows.append(_site_row("all", sites))
    return table(headings, rows)


def _site_row(name: str, sites: Sequence[Json]) -> tuple[str, ...]:
    """One site's figures, or the sums of several's."""
    counts = (
        str(sum(site["assets"][which] for site in sites))
        for which in ("total", "online", "stale", "offline")
    )
    known = [site["p_mw"] for site in sites if site["p_mw"] is not None]
    return (
        name,
        *counts,
        power(math.fsum(known) if known else None),
        number(math.fsum(site["available_up_mw"] for site in sites)),
        number(math.fsum(site["available_down_mw"] for site in sites)),
    )


def _dispatch_lines(dispatches: Sequence[Json], names: Mapping[str, str]) -> list[str]:
    rows = [
        (
            names.get(each["asset_id"], each["asset_id"]),
            each["state"],
            each["id"],
            power(each["mw"]),
            clock(each["start_at"]),
            clock(each["end_at"]),
        )
        for each in dispatches
    ]
    return table(("ASSET", "STATE", "DISPATCH", "MW", "FROM", "UNTIL"), rows, left=3)


def telemetry_lines(item: Json) -> list[str]:
    """An asset's newest telemetry."""
    if item["ts"] is None:
        return [f"{item['asset_name']} has never said anything"]
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
    """The same as one line, under ``TELEMETRY_HEADING``."""
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
    """How a dispatch is now, in a line."""
    at = clock(dispatch["states"][-1]["at"]) if dispatch["states"] else "-"
    words = [f"{at}  {dispatch['state']}"]
    if dispatch["state"] == "started":
        words.append(f"at {power(dispatch['applied_mw'])} MW")
    if dispatch["reason"]:
        words.append(f"({dispatch['reason']})")
    if dispatch["suspended"]:
        words.append(f"suspended ({dispatch['suspended']})")
    if dispatch["cancelling"]:
        words.append(f"being withdrawn ({dispatch['cancelling']})")
    return " ".join(words)


def ordered_line(dispatch: Json, asset_name: str) -> str:
    """What was ordered, and under which id."""
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
    """What telemetry says of a dispatch that has ended."""
    words = [f"verdict: {verdict['outcome']}"]
    if verdict.get("mean_error_mw") is not None:
        words.append(f"mean error {number(verdict['mean_error_mw'])} MW")
    if verdict.get("within_tolerance_ms") is not None:
        words.append(f"within tolerance after {number(verdict['within_tolerance_ms'] / 1000, 1)} s")
    return ", ".join(words)
