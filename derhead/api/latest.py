"""``/telemetry``'s answers as text: each asset's is rendered once a sample, its age at each answer.

Rendering an asset's JSON takes 20 µs, and most of it stays the same until the asset speaks
again or is told another setpoint.
"""

from dataclasses import dataclass

from derhead.api.replies import dump, list_text
from derhead.api.shapes import lasting_shape
from derhead.api.view import HeadendView
from derhead.telemetry import Sample, since_us, stale_after_us
from derproto.base.fleet import Asset


@dataclass(frozen=True, slots=True)
class _Text:
    """What is kept of an asset, and what it was made of."""

    asset: Asset
    sample: Sample | None
    setpoint_mw: float | None
    lasting: str
    """The object's text, as far as time does not change it."""
    since_us: int | None
    """What its age is counted from."""
    restored: bool
    """The sample is what the journal knew at start, and stale whatever its age."""


class LatestTexts:
    """The newest telemetry in JSON, the same for every way in.

    Keeps about 1 kB for each asset of the fleet that was asked for.
    """

    def __init__(self, view: HeadendView) -> None:
        self._view = view
        self._texts: dict[str, _Text] = {}

    def one(self, asset: Asset) -> str:
        """The asset's newest telemetry, as of now."""
        view = self._view
        return self._text(asset, view.wall_us(), stale_after_us(view.telemetry_period_ms))

    async def all(self) -> str:
        """The list of every asset's. Ages are of the time when it was asked for."""
        view = self._view
        now_us, stale_us = view.wall_us(), stale_after_us(view.telemetry_period_ms)
        assets = view.fleet.assets.values()
        return await list_text(self._text(asset, now_us, stale_us) for asset in assets)

    def _text(self, asset: Asset, now_us: int, stale_us: int) -> str:
        asset_id = asset.id
        sample, setpoint_mw = self._view.latest.get(asset_id), self._view.setpoint_mw(asset_id)
        text = self._texts.get(asset_id)
        # Identity, not equality: 0.0 and -0.0 are equal, and written differently. A sample
        # that is another one is another object, and whether it was restored goes with it.
        if (
            text is None
            or text.sample is not sample
            or text.setpoint_mw is not setpoint_mw
            or text.asset is not asset
        ):
            text = self._texts[asset_id] = self._render(asset, sample, setpoint_mw)
        if text.since_us is None:
            return f'{text.lasting},"age_s":null,"stale":true}}'
        age_us = now_us - text.since_us
        if age_us < 0:
            age_us = 0
        if text.restored or age_us > stale_us:
            return f'{text.lasting},"age_s":{age_us / 1e6!r},"stale":true}}'
        return f'{text.lasting},"age_s":{age_us / 1e6!r},"stale":false}}'

    def _render(self, asset: Asset, sample: Sample | None, setpoint_mw: float | None) -> _Text:
        return _Text(
            asset,
            sample,
            setpoint_mw,
            lasting=dump(lasting_shape(asset, sample, setpoint_mw))[:-1],
            since_us=None if sample is None else since_us(sample),
            restored=self._view.latest.is_restored(asset.id),
        )
