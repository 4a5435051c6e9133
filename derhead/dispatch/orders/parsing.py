"""Reads an order from the JSON that a caller sent, or says all that is wrong with it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from derhead.dispatch.orders.order import AssetOrder, SiteOrder
from derhead.findings import Findings, pointer_to
from derproto.base.timefmt import format_us, parse_us
from derproto.configuration.fleet import Asset, Fleet
from derproto.configuration.kinds import Kind, Number, Truth, Whole, describe

T = TypeVar("T")

MAX_DURATION_S = 604_800.0
"""Longest window, seconds: seven days. A longer one is a mistake of unit, or a plan that will
not hold."""

MAX_LATE_S = 5.0
"""How far in the past a window may start, seconds. This covers the order's way to the headend
and the difference of the two clocks."""

MEMBERS = (
    "asset_id",
    "site_id",
    "mw",
    "start_at",
    "duration_s",
    "expires_in_s",
    "priority",
    "ramp_mw_per_s",
    "dry_run",
)
"""The members that an order may have."""

_MW = Number(unit="MW")
_DURATION = Number(above=0, most=MAX_DURATION_S, unit="seconds")
_PRIORITY = Whole(0, 255)
_EXPIRES = Number(above=0, most=MAX_DURATION_S, unit="seconds")
_RAMP = Number(above=0, unit="MW per second")
_DRY_RUN = Truth()


@dataclass(frozen=True, slots=True)
class UnknownSite:
    """A valid order to a site that the fleet does not have."""

    site: str


@dataclass(frozen=True, slots=True)
class UnknownAsset:
    """A valid order to an asset that the fleet does not have."""

    asset: str


@dataclass(frozen=True, slots=True)
class BadOrder:
    """The problems of an order: JSON pointers, each with what to write instead."""

    problems: tuple[tuple[str, str], ...]
    more: int = 0
    """The number of further problems. An answer lists only so many."""


Parsed = AssetOrder | SiteOrder | UnknownAsset | UnknownSite | BadOrder


def parse_order(body: object, fleet: Fleet, now_us: int) -> Parsed:
    """The order in a parsed JSON document, or why there is none.

    A member that is null counts as left out. Numbers may be NaN or infinite here, and are
    refused with their member's name.

    Units: ``now_us`` in microseconds since the epoch.
    """
    if not isinstance(body, Mapping):
        advice = 'write an object such as {"asset_id": "battery-1", "mw": -0.5}'
        return BadOrder((("", f"{describe(body)} is not an order; {advice}"),))
    members = _Members(body)
    members.refuse_unknown()
    whole_site = body.get("site_id") is not None
    named = members.name("site_id" if whole_site else "asset_id")
    dry_run = members.optional("dry_run", _DRY_RUN) is True
    asset = site = None
    if named is not None and whole_site:
        site = fleet.find_site(named)
    elif named is not None:
        asset = fleet.find_asset(named)
    found = asset or site
    mw = members.mw(None if dry_run else asset)
    start_us = members.start_us(now_us)
    duration_us = members.span_us("duration_s", _DURATION)
    expires_in_us = members.span_us("expires_in_s", _EXPIRES)
    priority = members.optional("priority", _PRIORITY)
    ramp_mw_per_s = members.optional("ramp_mw_per_s", _RAMP)
    if named is not None and found is None:
        if not members.findings:
            return UnknownSite(named) if whole_site else UnknownAsset(named)
        what = "site" if whole_site else "asset"
        members.complain(f"{what}_id", f"no {what} has the id or name {named[:80]!r}")
    if members.findings or mw is None or found is None:
        return members.refusal()
    kind: type[AssetOrder | SiteOrder] = SiteOrder if whole_site else AssetOrder
    return kind(
        found.id,
        mw,
        duration_us=duration_us,
        start_us=start_us,
        expires_in_us=expires_in_us,
        priority=128 if priority is None else priority,
        ramp_mw_per_s=ramp_mw_per_s,
        dry_run=dry_run,
    )


class _Members:
    """Reads the members of the object one by one, and collects what is wrong with them."""

    def __init__(self, body: Mapping[object, object]) -> None:
        self._body = body
        self.findings = Findings()

    def complain(self, name: str, detail: str) -> None:
        self.findings.add(name, detail)

    def refusal(self) -> BadOrder:
        listed = [(pointer_to(name), detail) for name, detail in self.findings.listed]
        return BadOrder(tuple(listed), self.findings.more)

    def refuse_unknown(self) -> None:
        for name in map(str, self._body):
            if name not in MEMBERS:
                self.findings.add_unknown(name, "unknown member", name, MEMBERS)

    def name(self, member: str) -> str | None:
        """The id or name of the order's asset or site."""
        raw = self._body.get(member)
        if member == "site_id" and self._body.get("asset_id") is not None:
            self.complain("site_id", "an order is for an asset or for a site; leave one out")
        elif raw is None:
            self.complain(
                "asset_id", "missing; write the asset's UUID or its name, or a whole site's site_id"
            )
        elif not isinstance(raw, str):
            what = member.removesuffix("_id")
            self.complain(
                member, f"{describe(raw)} is not text; write the {what}'s UUID or its name"
            )
        else:
            return raw
        return None

    def mw(self, asset: Asset | None) -> float | None:
        if self._body.get("mw") is None:
            self.complain("mw", "missing; write a number, in MW, positive = generation")
        mw = self.optional("mw", _MW)
        if mw is not None and asset is not None and mw not in asset.limits:
            low, high = asset.limits.min_mw, asset.limits.max_mw
            self.complain(
                "mw",
                f"{mw:.12g} is beyond the limits of {asset.name}; "
                f"write a number from {low:.12g} to {high:.12g}, in MW",
            )
        return mw

    def start_us(self, now_us: int) -> int | None:
        raw = self._body.get("start_at")
        if raw is None:
            return None
        if not isinstance(raw, str):
            advice = "write an RFC 3339 time such as 2026-01-31T12:00:00Z"
            self.complain("start_at", f"{describe(raw)} is not a time; {advice}")
            return None
        try:
            start_us = parse_us(raw)
        except ValueError as wrong:
            self.complain("start_at", str(wrong))
            return None
        if start_us < now_us - MAX_LATE_S * 1e6:
            self.complain(
                "start_at",
                f"{format_us(start_us)} is more than {MAX_LATE_S:g} s in the past; write a time "
                f"after {format_us(now_us)}, or leave it out to start now",
            )
        return start_us

    def span_us(self, name: str, kind: Number) -> int | None:
        span_s = self.optional(name, kind)
        if span_s is None:
            return None
        span_us = round(span_s * 1e6)
        if span_us == 0:
            self.complain(name, f"{span_s:g} is shorter than a microsecond")
        return span_us

    def optional(self, name: str, kind: Kind[T]) -> T | None:
        raw = self._body.get(name)
        if raw is None:
            return None
        if isinstance(raw, int) and abs(raw) > 2**63:
            # Too large to compare with a float.
            self.complain(name, "the number is out of range; write a smaller one")
            return None
        try:
            return kind.read(raw)
        except ValueError as wrong:
            self.complain(name, str(wrong))
            return None
