"""An order for one asset, as a caller gives it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wants of one asset."""

    asset_id: str
    """UUID of an asset of the fleet."""
    mw: float
    """Active power to hold, MW; positive = generation, negative = consumption."""
    duration_us: int | None = None
    """Length of the window, microseconds, above 0; None = until replaced."""
    priority: int = 128
    ramp_mw_per_s: float | None = None
