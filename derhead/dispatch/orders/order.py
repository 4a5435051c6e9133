"""Orders as values: for an asset, for a site, and the group that a site order becomes. Pure."""

from dataclasses import dataclass

from derproto.base.windows import Window

PENDING_TTL_US = 900_000_000
"""Time that a dispatch waits for its agent, unless the order says otherwise: a setpoint that
nobody could take for a quarter of an hour is more likely wrong than wanted. When over, the
dispatch is ``expired``."""


@dataclass(frozen=True, slots=True)
class AssetOrder:
    """What a caller wants of one asset."""

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
    """How long it may wait for its agent, microseconds, above 0, counted from the later of
    now and its start; None = as long as any."""
    group_id: str | None = None
    """The order to a whole site that it is a part of."""
    dry_run: bool = False
    """Only what would become of it is asked; it may be beyond the asset's limits."""

    def window(self, now_us: int) -> Window:
        """Its window, if it is ordered now."""
        return Window.lasting(now_us if self.start_us is None else self.start_us, self.duration_us)


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """What a caller wants of a whole site; its members mean what those of ``AssetOrder`` do."""

    site_id: str
    """UUID of a site of the fleet."""
    mw: float
    """What its assets together are told, MW."""
    duration_us: int | None = None
    priority: int = 128
    ramp_mw_per_s: float | None = None
    """Of each asset."""
    start_us: int | None = None
    expires_in_us: int | None = None
    dry_run: bool = False

    def window(self, now_us: int) -> Window:
        """Its window, if it is ordered now."""
        return Window.lasting(now_us if self.start_us is None else self.start_us, self.duration_us)


def expiry_us(order: AssetOrder | SiteOrder, now_us: int) -> int:
    """When a dispatch of it expires that still waits for its agent, if it is ordered now."""
    wait_us = PENDING_TTL_US if order.expires_in_us is None else order.expires_in_us
    return order.window(now_us).expires_us(now_us, wait_us)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An asset that takes no part, and why."""

    asset_id: str
    why: str


@dataclass(frozen=True, slots=True)
class DispatchGroup:
    """One order to the assets of a site. Times are microseconds since the epoch."""

    id: str
    """UUID; the ``group_id`` of its parts."""
    site_id: str
    mw: float
    """What its parts together hold, MW."""
    created_us: int
    start_us: int
    duration_us: int | None
    """Length of the window; None = until replaced."""
    priority: int = 128
    ramp_mw_per_s: float | None = None
    expires_us: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    """Assets of the site that got no part when it was ordered."""
    cancelling: str | None = None
    """Why it is being withdrawn, in words; None = it is not."""

    @property
    def window(self) -> Window:
        """The window of all its parts."""
        return Window.lasting(self.start_us, self.duration_us)
