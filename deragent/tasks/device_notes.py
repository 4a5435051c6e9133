"""What is known of each device besides its samples: pure, apart from the events that it reports."""

from collections.abc import Callable, Sequence

from deragent.devices import Health, Nameplate
from deragent.event_lines import EventKind
from derproto.configuration.fleet import Asset

RATING_TOLERANCE = 0.02
"""Difference between the ratings of a device and its asset, of the asset's, that is no news."""

Emit = Callable[..., None]
"""Reports an event: its kind, and its detail by keyword."""


class DeviceNotes:
    """Health, local control and nameplate of each asset's device, in the plan's order."""

    def __init__(self, assets: Sequence[Asset], emit: Emit) -> None:
        self._assets = assets
        self._emit = emit
        self.health = [Health.UNSPECIFIED] * len(assets)
        self.local = [False] * len(assets)
        self.nameplates = [Nameplate()] * len(assets)
        self._reasons = [""] * len(assets)

    def set_health(self, asset_index: int, health: Health, reason: str = "") -> None:
        """Sets a device's health, and reports what changed for the worse or the better."""
        before, self.health[asset_index] = self.health[asset_index], health
        reason_before, self._reasons[asset_index] = self._reasons[asset_index], reason
        troubles = (Health.UNREACHABLE, Health.DEGRADED)
        if health is Health.UNREACHABLE and before is not health:
            self._report(EventKind.DEVICE_UNREACHABLE, asset_index, reason=reason)
        elif health is Health.DEGRADED and (before, reason_before) != (health, reason):
            self._report(EventKind.DEVICE_FAULT, asset_index, reason=reason)
        elif before in troubles and health not in troubles:
            self._report(EventKind.DEVICE_BACK, asset_index)

    def set_local(self, asset_index: int, local: bool) -> None:
        """Notes who controls a device, and reports a change."""
        before, self.local[asset_index] = self.local[asset_index], local
        if local is not before:
            kind = EventKind.DEVICE_LOCAL if local else EventKind.DEVICE_REMOTE
            self._report(kind, asset_index)

    def set_nameplate(self, asset_index: int, nameplate: Nameplate) -> None:
        """Notes what a device says of itself, and reports it if it is new."""
        before, self.nameplates[asset_index] = self.nameplates[asset_index], nameplate
        if nameplate == before:
            return
        self._report(
            EventKind.DEVICE_IDENTIFIED,
            asset_index,
            manufacturer=nameplate.manufacturer,
            model=nameplate.model,
            serial=nameplate.serial,
            version=nameplate.version,
            rated_mw=nameplate.rated_mw,
        )
        rated_mw, device_mw = self._assets[asset_index].rated_mw, nameplate.rated_mw
        if device_mw is not None and abs(device_mw - rated_mw) > RATING_TOLERANCE * rated_mw:
            self._report(
                EventKind.NAMEPLATE_DIFFERS, asset_index, rated_mw=rated_mw, device_mw=device_mw
            )

    def _report(
        self, kind: EventKind, asset_index: int, **detail: str | float | int | None
    ) -> None:
        asset = self._assets[asset_index]
        self._emit(kind, asset_id=asset.id, asset=asset.name, **detail)
