"""Renders service levels as text for people: pure."""

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from derhead.client.rendering import Json, moment, number, plain
from derproto.stdio.terminal import columns

PROMISES = ("telemetry", "availability", "dispatch")


def levels(items: Sequence[Json]) -> list[RenderableType]:
    """A line for each group of assets, with the promises that it missed in red."""
    if not items:
        return ["there is no such group of assets"]
    since = min((each["from_at"] for each in items if each["from_at"]), default=None)
    goals = items[0]["objectives"]
    aims = ", ".join(f"{promise} {percent(goals[promise])}" for promise in PROMISES)
    if since is None:
        return ["no asset has sent a sample yet", f"objectives: {aims}"]
    table = columns(
        *("OF", "NAME", "TELEMETRY", "AVAILABLE", "IN TIME", "P99 S", "OUTAGES", "LONGEST"),
        *("RECONNECTS", "BUDGET USED"),
        words=2,
    )
    for each in items:
        used = each["budget_used"]
        table.add_row(
            each["by"],
            plain(each["name"] or each["id"]),
            *(_share(each, promise) for promise in PROMISES),
            number(each["started_p99_s"], 2),
            str(each["outages"]),
            length(each["longest_outage_s"]),
            str(each["reconnects"]),
            Text("-" if used is None else percent(used, 0), style="red" if each["missed"] else ""),
        )
    return [f"since {moment(since)} (UTC); objectives: {aims}", "", table]


def _share(item: Json, promise: str) -> Text:
    missed = promise in item["missed"]
    return Text(percent(item[promise], 3), style="red" if missed else "")


def percent(share: float | None, digits: int | None = None) -> str:
    """A share in percent. It is cut off, not rounded: only all of it is 100 %."""
    if share is None:
        return "-"
    if digits is None:
        return f"{100 * share:.6g} %"
    scale = 10**digits
    # Floats: 0.57 * 100 is below 57.
    return f"{math.floor(100 * share * scale + 1e-6) / scale:.{digits}f} %"


def length(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = round(seconds)
    if seconds < 60:
        return f"{seconds:.1f}s"
    for name, size, part, smaller in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60)):
        if whole >= size:
            return f"{whole // size}{name}{whole % size // smaller:02d}{part}"
    return f"{whole // 60}m{whole % 60:02d}s"
