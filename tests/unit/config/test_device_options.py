"""The drivers take the keys that the file accepts. The file's reader refuses all others."""

from collections.abc import Iterator

import pytest

from deragent.drivers import DRIVERS as AGENT_DRIVERS
from deragent.drivers import open_device
from derproto.base.runtime import virtual_runtime
from derproto.configuration.device_options import DRIVERS
from derproto.configuration.fleet import Asset, AssetKind, DeviceSpec
from derproto.configuration.kinds import Kind, Number, Whole
from tests.support.assets import make_asset


def asset_with(kind: AssetKind, driver: str, options: dict[str, object]) -> Asset:
    energy_mwh = 1.0 if kind is AssetKind.BATTERY else None
    return make_asset(kind=kind, energy_mwh=energy_mwh, device=DeviceSpec(driver, options))


def bounds_of(kind: Kind[object]) -> tuple[float, ...]:
    if isinstance(kind, Number | Whole):
        return tuple(bound for bound in (kind.least, kind.most) if abs(bound) < 1e300)
    return ()


def bounded_options() -> Iterator[tuple[str, AssetKind, str, float]]:
    for driver, kinds in DRIVERS.items():
        for kind, options in kinds.items():
            for key, option in options.items():
                for bound in bounds_of(option):
                    yield driver, kind, key, bound


def test_the_drivers_are_the_agents_drivers() -> None:
    assert tuple(DRIVERS) == AGENT_DRIVERS


@pytest.mark.parametrize(("driver", "kind", "key", "bound"), list(bounded_options()))
async def test_a_driver_takes_what_the_file_accepts(
    driver: str, kind: AssetKind, key: str, bound: float
) -> None:
    await open_device(asset_with(kind, driver, {key: bound}), virtual_runtime(0))
