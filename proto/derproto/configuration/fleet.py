"""Sites and assets of ``assets.yaml``, for headend, agent and launcher: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class AssetKind(StrEnum):
    """Kinds of DER."""

    SOLAR = "solar"
    BATTERY = "battery"
    EV_CHARGER = "ev_charger"
    LOAD = "load"
    GENERATOR = "generator"


OWN_CONTROL = frozenset({AssetKind.SOLAR, AssetKind.EV_CHARGER, AssetKind.LOAD})
"""Kinds that control themselves without a dispatch. Holding sun or demand at 0 MW after a
dispatch would be a second order."""


class FailsafeAction(StrEnum):
    """An agent's action on an asset when the headend has been silent too long."""

    DEFAULT = "default"
    """Hold ``default_mw``."""
    RELEASE = "release"
    """Give the device back to its own control."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Range of an asset's setpoints, MW, positive = generation."""

    min_mw: float
    max_mw: float

    def __contains__(self, mw: float) -> bool:
        return self.min_mw <= mw <= self.max_mw


@dataclass(frozen=True, slots=True)
class Failsafe:
    """When and how an agent acts alone."""

    after_s: float = 60.0
    """Silence of the headend before it acts, seconds; 0 = hold until the window ends."""
    action: FailsafeAction = FailsafeAction.DEFAULT


@dataclass(frozen=True, slots=True)
class StepResponse:
    """How an asset's power follows a new setpoint, as its acceptance test measured it."""

    dead_time_s: float
    """From the order until the power begins to change, seconds."""
    time_constant_s: float
    """From the end of the dead time to 63 % of the change, seconds."""
    ramp_mw_per_s: float | None = None
    """Rate between 10 % and 90 % of the change, MW/s; None = too fast to be measured."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a section stands in a file, for messages about its keys."""

    file: str
    key: str
    """Path of the section's own key, such as ``assets[2].device``."""
    line: int
    """From 1."""
    lines: Mapping[str, int]
    """The lines of its keys."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """The driver of the device, and the driver's options as they are written."""

    driver: str = "simulated"
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """Numbers, texts, truths, and lists and mappings of them. Not checked: only the driver knows
    its options."""
    place: FilePlace | None = field(default=None, compare=False, repr=False)
    """None if it is not from a file."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site: assets behind one grid connection."""

    id: str
    """UUID, lower case with hyphens."""
    name: str
    """Unique among sites."""
    timezone: str | None = None
    """IANA name, for display only; all times stay UTC."""
    agent: str | None = None
    """The only agent that may claim this site's assets; None = any."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One DER."""

    id: str
    """UUID, lower case with hyphens."""
    name: str
    """Unique across the fleet."""
    site_id: str
    kind: AssetKind
    rated_mw: float
    """Greatest magnitude of its active power, MW, above 0."""
    limits: Limits
    default_mw: float | None = 0.0
    """Its setpoint at the end of a dispatch's window, MW; None = it returns to its own control."""
    tolerance_pct: float = 5.0
    """The distance from a setpoint that counts as reached, % of ``rated_mw``."""
    failsafe: Failsafe = Failsafe()
    agent: str | None = None
    """The only agent that may claim it; None = the site's agent."""
    energy_mwh: float | None = None
    """Usable energy of a battery, MWh, above 0; None for other kinds."""
    device: DeviceSpec = DeviceSpec()
    response: StepResponse | None = None
    """None = not measured."""


@dataclass(slots=True)
class Fleet:
    """All sites and assets, in the file's order.

    A daemon has one fleet, which all of its parts share. It changes by ``become`` alone.
    """

    sites: Mapping[str, Site]
    """By id."""
    assets: Mapping[str, Asset]
    """By id."""
    _named: Mapping[str, Asset] = field(init=False, repr=False, compare=False)
    _sites_named: Mapping[str, Site] = field(init=False, repr=False, compare=False)
    _by_site: Mapping[str, tuple[Asset, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # One request may name thousands of assets, so names have a table.
        named: dict[str, Asset] = {}
        by_site: dict[str, list[Asset]] = {}
        for asset in self.assets.values():
            named.setdefault(asset.name, asset)
            by_site.setdefault(asset.site_id, []).append(asset)
        sites_named: dict[str, Site] = {}
        for site in self.sites.values():
            sites_named.setdefault(site.name, site)
        self._named = named
        self._sites_named = sites_named
        self._by_site = {id: tuple(many) for id, many in by_site.items()}

    def become(self, other: "Fleet") -> None:
        """Takes over the other's sites and assets, all at once.

        The former mappings do not change: a task that walks them in turns sees one file.
        """
        self.sites, self.assets = other.sites, other.assets
        self._named, self._sites_named = other._named, other._sites_named
        self._by_site = other._by_site

    def find_asset(self, id_or_name: str) -> Asset | None:
        """The asset of that UUID (any case) or of that unique name."""
        found = self.assets.get(id_or_name.lower())
        return self._named.get(id_or_name) if found is None else found

    def find_site(self, id_or_name: str) -> Site | None:
        """The site of that UUID (any case) or of that unique name."""
        found = self.sites.get(id_or_name.lower())
        return self._sites_named.get(id_or_name) if found is None else found

    def assets_of(self, site_id: str) -> tuple[Asset, ...]:
        """The site's assets, in the file's order."""
        return self._by_site.get(site_id, ())

    def agent_of(self, asset: Asset) -> str | None:
        """The only agent that may claim the asset; None = any."""
        return asset.agent or self.sites[asset.site_id].agent

    def agent_allowed(self, asset: Asset, agent_id: str) -> bool:
        """Whether the file lets this agent claim the asset."""
        return self.agent_of(asset) in (None, agent_id)
