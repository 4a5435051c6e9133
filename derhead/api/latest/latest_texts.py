"""``/telemetry``'s answers as text: each asset's is rendered once a sample, its age at each answer.

Rendering an asset's JSON takes 14 µs, and most of it stays the same until the asset speaks
again or is told another setpoint.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import uuid4

from derhead.api.answering.headend_parts import HasClock, HasFleet
from derhead.api.answering.replies import list_text
from derhead.events import Look
from derhead.shapes import dump, lasting_shape
from derhead.telemetry import LatestTable, Sample, Slot, since_us, stale_after_us
from derproto.base.fleet import Asset


class Tagged(NamedTuple):
    """A text, and a tag (RFC 9110, 8.8.3) that differs once it says anything else.

    The age goes on by itself, and is not counted: whoever still has an older text with that tag
    knows all there is, and can reckon the age from ``ts``.
    """

    text: str
    tag: str


@dataclass(slots=True)
class _Text:
    """What is kept of an asset, and what it was made of."""

    asset: Asset
    slot: Slot
    """Where its newest sample is, always."""
    sample: Sample | None
    setpoint_mw: float | None
    lasting: str
    """The object's text, as far as time does not change it."""
    since_us: int | None
    """What its age is counted from."""
    restored: bool
    """The sample is what the journal knew at start, and stale whatever its age."""
    stale: bool | None = None
    """Whether it was when it was written last; None = it was not yet."""
    version: int = 0
    """That of the table when the text, or ``stale``, changed last."""


class LatestParts(HasFleet, HasClock, Protocol):
    """What the newest telemetry is made of."""

    @property
    def latest(self) -> LatestTable: ...

    @property
    def telemetry_period_ms(self) -> int: ...

    def setpoint_mw(self, asset_id: str) -> float | None:
        """The dispatch in force, MW."""


class LatestTexts:
    """The newest telemetry in JSON, the same for every way in.

    Keeps about 1 kB for each asset of the fleet that was asked for.
    """

    def __init__(self, headend: LatestParts) -> None:
        self._headend = headend
        self._texts: dict[str, _Text] = {}
        # Tags of another run of the headend must not match.
        self._run = uuid4().hex[:8]
        self._version = 0

    def one(self, asset: Asset) -> Tagged:
        """The asset's newest telemetry, as of now."""
        text = self._writer()(asset)
        return Tagged(text, self._tag(self._texts[asset.id].version))

    async def all(self) -> Tagged:
        """The list of every asset's. Ages are of the time when it was asked for."""
        write, changes, began = self._writer(), 0, self._version

        def count(asset: Asset) -> str:
            nonlocal changes
            before = self._version
            text = write(asset)
            changes += self._version - before
            return text

        text = await list_text(map(count, self._headend.fleet.assets.values()))
        if self._version != began + changes:
            # Others found news in the pauses, perhaps of what was written already.
            self._version += 1
            return Tagged(text, self._tag(-self._version))
        return Tagged(text, self._tag(self._version))

    def written(self, assets: Iterable[Asset]) -> Iterator[str]:
        """Each one's, as of now."""
        return map(self._writer(), assets)

    def looks(self, assets: Iterable[Asset]) -> Iterator[tuple[str, Look]]:
        """By id, how each looks now: what of its text lasts, and whether it is stale."""
        current = self._finder()
        now_us, stale_us = (
            self._headend.wall_us(),
            stale_after_us(self._headend.telemetry_period_ms),
        )
        for asset in assets:
            text = current(asset)
            since_us = text.since_us
            stale = since_us is None or now_us - since_us > stale_us or text.restored
            yield asset.id, (text, stale)

    def _writer(self) -> Callable[[Asset], str]:
        """What writes an asset's telemetry, with its age of this moment."""
        current = self._finder()
        now_us, stale_us = (
            self._headend.wall_us(),
            stale_after_us(self._headend.telemetry_period_ms),
        )

        def write(asset: Asset) -> str:
            text = current(asset)
            since_us = text.since_us
            age_us = 0 if since_us is None else now_us - since_us
            stale = since_us is None or age_us > stale_us or text.restored
            if stale is not text.stale:
                self._version += 1
                text.stale, text.version = stale, self._version
            if since_us is None:
                return f'{text.lasting},"age_s":null,"stale":true}}'
            if age_us < 0:
                age_us = 0
            if stale:
                return f'{text.lasting},"age_s":{age_us / 1e6!r},"stale":true}}'
            return f'{text.lasting},"age_s":{age_us / 1e6!r},"stale":false}}'

        return write

    def _finder(self) -> Callable[[Asset], _Text]:
        """What finds an asset's text, rendered anew if it is no longer true."""
        texts, setpoint_of = self._texts, self._headend.setpoint_mw

        def current(asset: Asset) -> _Text:
            text = texts.get(asset.id)
            # Identity, not equality: 0.0 and -0.0 are equal, and written differently. A sample
            # that is another one is another object, and whether it was restored goes with it.
            if (
                text is None
                or (text.slot.held or text.slot.sample()) is not text.sample
                or setpoint_of(asset.id) is not text.setpoint_mw
                or asset is not text.asset
            ):
                text = texts[asset.id] = self._render(asset)
            return text

        return current

    def _tag(self, version: int) -> str:
        return f'W/"{self._run}-{version:x}"'

    def _render(self, asset: Asset) -> _Text:
        slot = self._headend.latest.slot(asset.id)
        sample, setpoint_mw = slot.sample(), self._headend.setpoint_mw(asset.id)
        return _Text(
            asset,
            slot,
            sample,
            setpoint_mw,
            lasting=dump(lasting_shape(asset, sample, setpoint_mw))[:-1],
            since_us=None if sample is None else since_us(sample),
            restored=slot.restored,
        )
