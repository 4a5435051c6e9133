"""Orders as values: for an asset, for a site, and the group that a site order becomes. Pure."""

from dataclasses import asdict, dataclass, replace

from derhead.audit import AuditRecord
from derproto.base.windows import Window

PENDING_TTL_US = 900_000_000
"""Time that a dispatch waits for its agent, unless the order says otherwise: a setpoint that
no agent takes within a quarter of an hour is more likely wrong than wanted. When over, the
dispatch is ``expired``."""


@dataclass(frozen=True, slots=True)
class AssetOrder:
    """An order to one asset, as a caller gives it."""

    asset_id: str
    """UUID of an asset of the fleet."""
    mw: float
    """Active power to hold, MW; positive = generation, negative = consumption."""
    duration_us: int | None = None
    """Length of the window, microseconds, above 0; None = until replaced."""
    priority: int = 128
    ramp_mw_per_s: float | None = None
    start_us: int | None = None
    """Start of the window, microseconds since the epoch; None = now."""
    expires_in_us: int | None = None
    """How long it may wait for its agent, microseconds, above 0, from the later of now and its
    start; None = ``PENDING_TTL_US``."""
    group_id: str | None = None
    """The group of the site order that it is a part of."""
    ordered_by: str | None = None
    """Who ordered it; None = not known."""
    dry_run: bool = False
    """The caller only asks what the order would do. Its power may be beyond the asset's limits."""

    def window(self, now_us: int) -> Window:
        """Its window, if it is ordered now."""
        return Window.lasting(now_us if self.start_us is None else self.start_us, self.duration_us)


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """An order to a whole site. Its members mean the same as those of ``AssetOrder``."""

    site_id: str
    """UUID of a site of the fleet."""
    mw: float
    """The sum of the powers that its assets are told, MW."""
    duration_us: int | None = None
    priority: int = 128
    ramp_mw_per_s: float | None = None
    """Ramp of each asset."""
    start_us: int | None = None
    expires_in_us: int | None = None
    ordered_by: str | None = None
    dry_run: bool = False

    def window(self, now_us: int) -> Window:
        """Its window, if it is ordered now."""
        return Window.lasting(now_us if self.start_us is None else self.start_us, self.duration_us)


def expiry_us(order: AssetOrder | SiteOrder, now_us: int) -> int:
    """When an order's dispatch expires, if it is ordered now and its agent does not come."""
    wait_us = PENDING_TTL_US if order.expires_in_us is None else order.expires_in_us
    return order.window(now_us).expires_us(now_us, wait_us)


_NOT_GIVEN = ("dry_run", "ordered_by")
"""Members of an order that its entry does not repeat."""


def of_order(
    entry: AuditRecord, target: str, site_id: str | None, order: AssetOrder | SiteOrder
) -> AuditRecord:
    """The entry of the audit trail for an order that became the dispatch or group ``target``."""
    given = {name: value for name, value in asdict(order).items() if name not in _NOT_GIVEN}
    return replace(entry, target=target, site_id=site_id).of_change(None, given)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An asset that gets no part of a site order, and why."""

    asset_id: str
    why: str


@dataclass(frozen=True, slots=True)
class DispatchGroup:
    """One order to the assets of a site. Times are microseconds since the epoch."""

    id: str
    """UUID; the ``group_id`` of its parts."""
    site_id: str
    mw: float
    """The power that its parts hold together, MW."""
    created_us: int
    start_us: int
    duration_us: int | None
    """Length of the window; None = until replaced."""
    priority: int = 128
    ramp_mw_per_s: float | None = None
    expires_us: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    """The assets of the site that got no part of the order."""
    cancelling: str | None = None
    """Why it is being withdrawn, in words; None = it is not being withdrawn."""
    ordered_by: str | None = None
    """Who ordered it: a name, or an address; None = not known."""
    withdrawn_by: str | None = None
    """Who withdrew it, in the same form."""

    @property
    def window(self) -> Window:
        """The window of all its parts."""
        return Window.lasting(self.start_us, self.duration_us)
