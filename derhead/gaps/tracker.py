"""The watches of all assets, and what they have to say. Pure: time is passed in.

Units: ``now_us`` is the headend's clock, microseconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from derhead.gaps.holes import GapLimits, Hole, Origin, Told
from derhead.gaps.record import Cause, GapRecord, is_reported
from derhead.gaps.watch import AssetWatch, Talking
from derhead.telemetry import LatestTable


class Unfinished(NamedTuple):
    """A gap that samples may still fill, as the journal knows it."""

    record: GapRecord
    low: Origin | None
    """Who measured the sample at the edge that was filled last; None if nothing is there."""
    high: Origin | None


@dataclass(frozen=True, slots=True)
class GapStatistics:
    """How things are now."""

    lasting: Mapping[str, int]
    """Assets of which nothing comes, by the cause."""
    unfilled: int
    """Holes with an end that samples may still fill; of each asset the newest 64."""


class GapTracker:
    """One watch an asset, on the asset's slot of the latest table."""

    def __init__(self, asset_ids: Iterable[str], latest: LatestTable, limits: GapLimits) -> None:
        self._limits = limits
        self._latest = latest
        self._touched: dict[AssetWatch, None] = {}
        self._last_revision = 0
        self.watches: dict[str, AssetWatch] = {}
        for asset_id in asset_ids:
            slot = latest.slot(asset_id)
            watch = AssetWatch(asset_id, slot, limits, self._touched)
            slot.watch = self.watches[asset_id] = watch

    def restore(self, unfinished: Sequence[Unfinished]) -> None:
        """Takes over what the journal knew, once the latest table is filled.

        ``unfinished`` is in the order of assets and times. An asset that was heard until the
        headend ended is silent for the headend's sake, any other for its link's.
        """
        slots = [self._latest.slot(asset_id) for asset_id in self.watches]
        alive_us = max((slot.received_us for slot in slots), default=0)
        found: dict[str, tuple[list[Hole], list[Told]]] = {}
        for each in unfinished:
            if not is_reported(each.record.id):
                self._last_revision = max(self._last_revision, each.record.revision)
            holes, told = found.setdefault(each.record.asset_id, ([], []))
            if is_reported(each.record.id):
                told.append(_to_told(each.record))
            else:
                holes.append(_to_hole(each))
        for (asset_id, watch), slot in zip(self.watches.items(), slots, strict=True):
            was_heard = alive_us - slot.received_us <= self._limits.silent_us
            watch.restore(
                *found.get(asset_id, ([], [])),
                Cause.HEADEND_RESTART if was_heard else Cause.LINK,
            )

    @property
    def changed(self) -> bool:
        """Whether ``take`` has any."""
        return bool(self._touched)

    def take(self, now_us: int) -> list[GapRecord]:
        """What is to be stored of all that changed since the last call."""
        if not self._touched:
            return []
        touched = list(self._touched)
        self._touched.clear()
        # Above all that this asset, or an earlier life of the headend, has given out.
        self._last_revision = revision = max(self._last_revision + 1, now_us)
        changed = [each for watch in touched for each in watch.records()]
        # Of what an agent told the revisions are the agent's.
        return [
            each if is_reported(each.id) else replace(each, revision=revision) for each in changed
        ]

    def statistics(self) -> GapStatistics:
        lasting = {cause.value: 0 for cause in Cause if cause is not Cause.NONE}
        unfilled = 0
        for watch in self.watches.values():
            unfilled += len(watch.holes)
            if watch.lasting is not None:
                lasting[watch.lasting.cause.value] += 1
        return GapStatistics(lasting, unfilled)

    def session_began(
        self, session: Talking, asset_ids: Iterable[str], agent_id: str, boot_id: int, now_us: int
    ) -> list[GapRecord]:
        """A session was granted these assets; what is to be stored."""
        for asset_id in asset_ids:
            self.watches[asset_id].session_began(session, Origin(agent_id, boot_id))
        return self.take(now_us)

    def session_ended(
        self, session: Talking, asset_ids: Iterable[str], because: Cause, now_us: int
    ) -> list[GapRecord]:
        """A session that was granted these assets is over; what is to be stored."""
        for asset_id in asset_ids:
            self.watches[asset_id].session_ended(session, because)
        return self.take(now_us)

    def tell(self, asset_id: str, told: Told, now_us: int) -> list[GapRecord]:
        """An agent explains a stretch of the asset's history; what is to be stored."""
        said = self.watches[asset_id].tell(told)
        return [replace(said, noticed_us=now_us), *self.take(now_us)]


def _to_hole(unfinished: Unfinished) -> Hole:
    record, low, high = unfinished
    return Hole(
        record.asset_id,
        record.start_us,
        record.start_us if record.filled_us is None else record.filled_us,
        low,
        record.end_us,
        high,
        record.cause,
        record.noticed_us,
    )


def _to_told(record: GapRecord) -> Told:
    agent_id, boot_id, _ = record.id.split("/")
    return Told(
        record.id,
        Origin(agent_id, int(boot_id)),
        record.cause,
        record.start_us,
        record.end_us,
        record.rows or 0,
        record.revision,
    )
