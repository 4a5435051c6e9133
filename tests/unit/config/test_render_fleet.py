"""What render_fleet writes, load_fleet reads back equal."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import (
    Asset,
    AssetKind,
    DeviceSpec,
    Failsafe,
    FailsafeAction,
    Fleet,
    Limits,
    Site,
    StepResponse,
)

SITE = Site("00000000-0000-4000-8000-0000000000a1", "North", "America/Denver", "north-1")
BATTERY = Asset(
    id="00000000-0000-4000-8000-0000000000b1",
    name="yes",
    site_id=SITE.id,
    kind=AssetKind.BATTERY,
    rated_mw=2.5,
    limits=Limits(-2.5, 2.0),
    energy_mwh=10.0,
    failsafe=Failsafe(30.0, FailsafeAction.RELEASE),
    device=DeviceSpec("simulated", MappingProxyType({"soc": 0.5, "seed": 7})),
)


def test_the_text_is_for_people() -> None:
    fleet = Fleet({SITE.id: SITE}, {BATTERY.id: BATTERY})
    assert (
        render_fleet(fleet)
        == """\
# The fleet: sites and the assets behind them, for headend, agents and launcher alike.
# Power is MW, positive = generation. An id is for ever: history hangs on it.
sites:
- {id: 00000000-0000-4000-8000-0000000000a1, name: North, timezone: America/Denver, agent: north-1}
assets:
- id: 00000000-0000-4000-8000-0000000000b1
  name: 'yes'
  site: North
  kind: battery
  rated_mw: 2.5
  energy_mwh: 10
  limits: {min_mw: -2.5, max_mw: 2}
  failsafe: {after_s: 30, action: release}
  device: {driver: simulated, seed: 7, soc: 0.5}
"""
    )


agents = st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
# Text that YAML or its readers are known to take for something else, and any other.
names = st.sampled_from(["1e5", "no", "~", "1:30", "- a", "a: b", "#a", "'", "0x1", "É", "="]) | (
    st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1)
    .map(lambda text: text.strip()[:100].strip())
    .filter(lambda text: text and text.isprintable())
)
ids = st.uuids(version=4).map(str)
shares = st.floats(0, 1)


scalars = st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e9, 1e9) | names
options = st.dictionaries(
    st.from_regex(r"[a-z][a-z_0-9]{0,9}", fullmatch=True).filter(lambda key: key != "driver"),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=4,
    ),
    max_size=4,
)
devices = st.builds(DeviceSpec, st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True), options)

delays = st.floats(0, 86_400)
responses = st.none() | st.builds(
    StepResponse, delays, delays, st.none() | st.floats(0, 1e5, exclude_min=True)
)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    unique = draw(st.lists(ids, min_size=2, max_size=6, unique=True))
    given_names = draw(st.lists(names, min_size=6, max_size=6, unique=True))
    split = draw(st.integers(1, len(unique) - 1))
    zones = st.none() | st.sampled_from(["UTC", "Europe/Rome"])
    sites = {
        site_id: Site(site_id, name, draw(zones), draw(agents))
        for site_id, name in zip(unique[:split], given_names, strict=False)
    }
    assets: dict[str, Asset] = {}
    for asset_id, name in zip(unique[split:], given_names, strict=False):
        kind = draw(st.sampled_from(AssetKind))
        rated_mw = draw(st.floats(1e-9, 1e5))
        low, high = sorted(draw(st.tuples(st.floats(-1, 1), st.floats(-1, 1))))
        # No -0.0, which no float range may end with.
        limits = Limits(low * rated_mw + 0.0, high * rated_mw + 0.0)
        assets[asset_id] = Asset(
            id=asset_id,
            name=name,
            site_id=draw(st.sampled_from(sorted(sites))),
            kind=kind,
            rated_mw=rated_mw,
            limits=limits,
            default_mw=draw(st.floats(limits.min_mw, limits.max_mw)),
            tolerance_pct=draw(st.floats(0, 100, exclude_min=True)),
            failsafe=Failsafe(
                draw(st.floats(0, 31_536_000)), draw(st.sampled_from(FailsafeAction))
            ),
            agent=draw(agents),
            energy_mwh=draw(st.floats(1e-9, 1e7)) if kind is AssetKind.BATTERY else None,
            device=draw(devices),
            response=draw(responses),
        )
    return Fleet(sites, assets)


@settings(deadline=None, max_examples=100)
@given(fleets())
def test_a_rendered_fleet_is_read_back_equal(fleet: Fleet) -> None:
    text = render_fleet(fleet)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assets.yaml"
        path.write_text(text, encoding="utf-8")
        again = load_fleet(path)
    assert again == fleet
    assert list(again.assets) == list(fleet.assets)
    assert render_fleet(again) == text


def test_an_id_of_digits_only_is_text(tmp_path: Path) -> None:
    site = Site(str(UUID(int=10**31)), "1")
    fleet = Fleet({site.id: site}, {BATTERY.id: replace(BATTERY, site_id=site.id)})
    path = tmp_path / "assets.yaml"
    path.write_text(render_fleet(fleet), encoding="utf-8")
    assert load_fleet(path) == fleet
