"""Which powers the acceptance test orders: pure.

Sun and vehicles give no more than they have. So the levels for them start from the power that the
device has by itself, and an order beyond that power aims at that power.
"""

from dataclasses import dataclass

from deragent.devices import Asset, AssetKind, Limits

SMALL_SHARE = 0.1
"""A small step, as a share of the rating."""
SMALL_TOLERANCES = 3.0
"""A small step, in tolerances of the asset, if that is more: it must be seen."""
EMPTY, FULL = 0.05, 0.95
"""States of charge beyond which a battery is not told to go on."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the levels depend on."""

    asset: Asset
    limits: Limits
    """Of the asset and of its device together."""
    own_mw: float
    """The power under the device's own control."""
    soc: float | None = None

    @property
    def band_mw(self) -> float:
        """The distance from an order that counts as reached."""
        return self.asset.rated_mw * self.asset.tolerance_pct / 100

    @property
    def small_mw(self) -> float:
        # Round figures, to 1 W, for people.
        return round(max(SMALL_SHARE * self.asset.rated_mw, SMALL_TOLERANCES * self.band_mw), 6)

    @property
    def reach(self) -> Limits:
        """The powers that the device can have now."""
        low_mw, high_mw = self.limits.min_mw, self.limits.max_mw
        if self.asset.kind is AssetKind.SOLAR:
            high_mw = max(low_mw, min(high_mw, self.own_mw))
        if self.asset.kind is AssetKind.EV_CHARGER:
            low_mw = min(high_mw, max(low_mw, self.own_mw))
        if self.asset.kind is AssetKind.BATTERY and self.soc is not None:
            low_mw = 0.0 if self.soc >= FULL and low_mw < 0 <= high_mw else low_mw
            high_mw = 0.0 if self.soc <= EMPTY and low_mw <= 0 < high_mw else high_mw
        return Limits(low_mw, high_mw)

    def target_mw(self, mw: float) -> float:
        """What the power becomes under that order."""
        if self.asset.kind is AssetKind.SOLAR:
            return min(mw, max(0.0, self.own_mw))
        if self.asset.kind is AssetKind.EV_CHARGER:
            return max(mw, min(0.0, self.own_mw))
        return mw

    def step_band_mw(self, mw: float) -> float:
        """The band around the target of that order: wider where the sun decides it."""
        is_free = self.target_mw(mw) != mw
        return max(self.band_mw, 0.2 * abs(self.own_mw)) if is_free else self.band_mw


def sign_levels(ground: Ground) -> tuple[float, ...]:
    """Orders for a small step each way, from the first one; empty if there is no room for them."""
    low_mw, high_mw = ground.reach.min_mw, ground.reach.max_mw
    small_mw, kind = ground.small_mw, ground.asset.kind
    if high_mw - low_mw < small_mw:
        return ()
    if kind in (AssetKind.SOLAR, AssetKind.EV_CHARGER):
        full_mw = high_mw if kind is AssetKind.SOLAR else low_mw
        if high_mw - low_mw < 2 * small_mw:
            return ()
        toward = -1.0 if kind is AssetKind.SOLAR else 1.0
        return full_mw + 2 * toward * small_mw, full_mw + toward * small_mw
    base_mw = min(max(0.0, low_mw), high_mw)
    up_mw, down_mw = base_mw + small_mw, base_mw - small_mw
    if up_mw > high_mw:
        return base_mw, down_mw, base_mw
    if down_mw < low_mw:
        return base_mw, up_mw, base_mw
    return base_mw, up_mw, down_mw


def limit_levels(ground: Ground) -> tuple[float, ...]:
    """Orders to both limits, the farther one first; those that nothing stands behind left out."""
    reach, limits = ground.reach, ground.limits
    levels = []
    if reach.max_mw > reach.min_mw:
        kind = ground.asset.kind
        # A limit that sun or vehicles do not reach is ordered nevertheless: it must do no harm.
        levels.append(limits.max_mw if kind is AssetKind.SOLAR else reach.max_mw)
        levels.append(limits.min_mw if kind is AssetKind.EV_CHARGER else reach.min_mw)
    levels.sort(key=lambda mw: abs(ground.target_mw(mw) - ground.own_mw), reverse=True)
    return tuple(levels)


def far_level(ground: Ground, from_mw: float) -> float | None:
    """The small order whose power is farthest from ``from_mw``; None if none is clearly apart."""
    levels = sign_levels(ground)
    level = max(levels, key=lambda mw: abs(ground.target_mw(mw) - from_mw), default=None)
    if level is None or abs(ground.target_mw(level) - from_mw) < 2 * ground.band_mw:
        return None
    return level
