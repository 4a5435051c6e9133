"""The kept text of an asset always equals a new rendering."""

import json
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from derhead.api.latest.latest_texts import LatestTexts
from derhead.shapes import dump, telemetry_shape
from derhead.telemetry import Sample, stale_after_us
from derproto.configuration.fleet import Asset, Fleet
from tests.support.api.fake_headend import BATTERY, NOW, SAMPLE, SILENT, FakeView
from tests.support.assets import fleet_of, make_asset, make_loads

NUMBERS = (
    st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 0.0])
)
TIMES = st.integers(-(10**18), 10**18) | st.integers(NOW - 20_000_000, NOW + 1_000_000)
SAMPLES = st.builds(
    Sample,
    st.just(BATTERY),
    st.text(max_size=5),
    st.just(7),
    st.just(0),
    TIMES,
    TIMES,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.integers(0, 9),
    st.integers(0, 31),
    NUMBERS,
)


class View(FakeView):
    """A fake headend whose clock and setpoints tests can set."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = NOW
        self.mw: float | None = None

    def wall_us(self) -> int:
        return self.now_us

    def setpoint_mw(self, asset_id: str) -> float | None:
        return self.mw


def anew(view: View, asset: Asset) -> str:
    shape = telemetry_shape(
        asset,
        view.latest.get(asset.id),
        setpoint_mw=view.mw,
        now_us=view.now_us,
        telemetry_period_ms=view.telemetry_period_ms,
    )
    return dump(shape)


@given(
    st.text(min_size=1, max_size=8),
    st.lists(st.tuples(st.none() | SAMPLES, NUMBERS, TIMES), max_size=5),
)
def test_kept_text_equals_a_new_rendering(
    name: str, steps: list[tuple[Sample | None, float | None, int]]
) -> None:
    view = View()
    asset = make_asset(BATTERY, name=name)
    texts = LatestTexts(view)
    for seq, (sample, view.mw, view.now_us) in enumerate(steps, 2):
        if sample is not None:
            view.latest.offer(replace(sample, seq=seq))
        assert texts.one(asset).text == anew(view, asset)
        assert texts.one(asset).text == anew(view, asset)


def test_an_assets_first_sample_appears() -> None:
    view = View()
    texts = LatestTexts(view)
    pump = view.fleet.assets[SILENT]
    assert texts.one(pump).text == anew(view, pump)
    assert texts.one(pump).text.endswith('"age_s":null,"stale":true}')
    view.latest.offer(replace(SAMPLE, asset_id=SILENT, quality=0))
    assert texts.one(pump).text == anew(view, pump)
    assert texts.one(pump).text.endswith('"age_s":2.5,"stale":false}')


def test_a_restored_sample_is_stale_until_a_newer_one_comes() -> None:
    view = View()
    texts = LatestTexts(view)
    pump = view.fleet.assets[SILENT]
    view.latest.fill([replace(SAMPLE, asset_id=SILENT, quality=0)])
    assert texts.one(pump).text.endswith('"age_s":2.5,"stale":true}')
    view.latest.offer(replace(SAMPLE, asset_id=SILENT, quality=0, seq=2))
    assert texts.one(pump).text.endswith('"age_s":2.5,"stale":false}')


def test_kept_text_is_stale_exactly_when_a_new_rendering_is() -> None:
    view = View()
    texts = LatestTexts(view)
    battery = view.fleet.assets[BATTERY]
    stale_us = stale_after_us(view.telemetry_period_ms)
    for view.now_us in (NOW - 2_400_000 + stale_us, NOW - 2_400_000 + stale_us + 1):
        assert texts.one(battery).text == anew(view, battery)


def test_an_equal_setpoint_with_another_text_is_rendered_again() -> None:
    view = View()
    texts = LatestTexts(view)
    battery = view.fleet.assets[BATTERY]
    for view.mw in (0.0, -0.0):
        assert texts.one(battery).text == anew(view, battery)


def test_another_asset_with_the_same_id_is_rendered_again() -> None:
    view = View()
    texts = LatestTexts(view)
    battery = view.fleet.assets[BATTERY]
    texts.one(battery)
    assert json.loads(texts.one(replace(battery, name="new")).text)["asset_name"] == "new"


async def test_all_ages_of_a_list_are_of_one_moment() -> None:
    view = View()
    view.fleet = fleet_of(*make_loads(450))
    assets = view.fleet.assets
    for asset_id in assets:
        view.latest.offer(replace(SAMPLE, asset_id=asset_id))
    texts = LatestTexts(view)
    expected = ",".join(anew(view, asset) for asset in assets.values())
    assert (await texts.all()).text == f'{{"items":[{expected}],"next_cursor":null}}'


async def test_a_tag_ignores_ages() -> None:
    view = View()
    texts = LatestTexts(view)
    pump, battery = view.fleet.assets[SILENT], view.fleet.assets[BATTERY]
    one, other, every = texts.one(battery), texts.one(pump), await texts.all()
    view.now_us += 1_000_000
    assert texts.one(battery).text != one.text
    assert texts.one(battery).tag == one.tag
    assert (await texts.all()).tag == every.tag
    for change in ("sample", "setpoint", "stale"):
        match change:
            case "sample":
                view.latest.offer(replace(SAMPLE, seq=2))
            case "setpoint":
                view.mw = 0.125
            case _:
                view.now_us += 60_000_000
        newer, newest = texts.one(battery), await texts.all()
        assert len({one.tag, newer.tag}) == len({every.tag, newest.tag}) == 2
        one, every = newer, newest
    assert texts.one(pump).tag != other.tag, "its setpoint is another one, too"
    assert LatestTexts(view).one(battery).tag != one.tag, "another run of the headend"


async def test_a_list_that_changed_while_it_was_rendered_matches_no_tag() -> None:
    view = View()
    fleet = fleet_of(*make_loads(9))
    assets = fleet.assets

    class Renewed(dict[str, Asset]):
        """Once armed, changes the first asset while a caller iterates."""

        armed = False

        def values(self) -> Iterator[Asset]:  # type: ignore[override]
            for n, asset in enumerate(assets.values()):
                if n == 5 and self.armed:
                    view.latest.offer(replace(SAMPLE, asset_id="0"))
                    texts.one(assets["0"])
                yield asset

    view.fleet = fleet
    texts = LatestTexts(view)
    first = await texts.all()
    renewed = Renewed()
    view.fleet = Fleet(view.fleet.sites, renewed)
    renewed.armed = True
    second = await texts.all()
    view.fleet = fleet
    third = await texts.all()
    assert second.text == first.text != third.text
    assert len({first.tag, second.tag, third.tag}) == 3
    assert third.tag == (await texts.all()).tag


async def test_a_list_without_a_removed_asset_has_another_tag() -> None:
    view = View()
    view.fleet = fleet_of(*make_loads(2))
    texts = LatestTexts(view)
    both = await texts.all()
    view.fleet = fleet_of(*make_loads(1))
    texts.renew_fleet(["1"])
    one = await texts.all()
    assert one.tag != both.tag
