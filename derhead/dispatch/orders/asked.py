"""What a refused order asked for, as far as the audit trail repeats it: pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from derhead.audit import printable
from derhead.dispatch.orders.parsing import MEMBERS
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import describe

ASKED_LENGTH = 80
"""Characters of a member of a refused order that the audit trail repeats. When full, the rest is
cut off."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asked for."""

    target: str | None = None
    """The id of the asset or site; as the request names it, if the fleet does not have it."""
    site_id: str | None = None
    """The site of both; None = the fleet does not have it."""
    members: Mapping[str, object] = field(default_factory=dict)
    """The order's members as they were sent, for people."""

    @property
    def entry(self) -> dict[str, object] | None:
        """The same for an entry's ``after``, where nothing else looks like it."""
        return {"asked": dict(self.members)} if self.members else None


def asked_of(body: object, fleet: Fleet) -> Asked:
    """What a parsed JSON document asks for, if it is something like an order.

    ``fleet``: what the caller may see, so that no caller names what it does not see.
    """
    if not isinstance(body, Mapping):
        return Asked()
    members = {
        name: _shown(body[name]) for name in MEMBERS if name in body and body[name] is not None
    }
    whole_site = body.get("site_id") is not None
    named = body.get("site_id" if whole_site else "asset_id")
    if not isinstance(named, str):
        return Asked(members=members)
    site = fleet.find_site(named) if whole_site else None
    asset = None if whole_site else fleet.find_asset(named)
    if site is not None:
        return Asked(site.id, site.id, members)
    return Asked(named, None, members) if asset is None else Asked(asset.id, asset.site_id, members)


def _shown(value: object) -> object:
    """A member's value, if it can be written briefly; otherwise what it is, in words."""
    match value:
        case bool():
            return value
        case int() | float() if math.isfinite(value):
            return value
        case str():
            return printable(value[:ASKED_LENGTH])
        case _:
            return describe(value)
