"""The watches of all assets, and the records that they have to store. Pure: time is passed in.

Units: ``now_us`` is the headend's clock, microseconds since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from derhead.gaps.holes import GapLimits, Hole, Origin, ReportedGap
from derhead.gaps.record import GapRecord, HoleCause, is_reported
from derhead.gaps.watch import AssetWatch, HeardSession
from derhead.telemetry import LatestTable

NO_SILENCES: Mapping[str, HoleCause] = MappingProxyType({})


class Unfinished(NamedTuple):
    """A gap that samples may still fill, as the journal has it."""

    record: GapRecord
    low: Origin | None
    """Who measured the sample up to which the gap is filled; None if there is none."""
    high: Origin | None
    stopped_by: HoleCause
    """Why samples stopped, even if the record says that a restart lost what came after."""


@dataclass(frozen=True, slots=True)
class GapStatistics:
    """The gaps that are not finished now."""

    lasting: Mapping[str, int]
    """Silent assets, by the cause of their gap."""
    unfilled: int
    """Gaps with an end that samples may still fill: the newest 64 of each asset."""


class GapCount:
    """Counts gaps, watch by watch."""

    def __init__(self) -> None:
        self._lasting = {cause.value: 0 for cause in HoleCause if cause is not HoleCause.NONE}
        self._unfilled = 0

    def take(self, watch: AssetWatch) -> None:
        """Counts the gaps of one asset."""
        self._unfilled += len(watch.holes)
        if watch.lasting is not None:
            self._lasting[watch.lasting.cause.value] += 1

    def statistics(self) -> GapStatistics:
        return GapStatistics(self._lasting, self._unfilled)


class GapTracker:
    """Keeps one watch for each asset, on the asset's slot of the latest table."""

    def __init__(self, asset_ids: Iterable[str], latest: LatestTable, limits: GapLimits) -> None:
        self._limits = limits
        self._latest = latest
        self._changed: dict[AssetWatch, None] = {}
        self._last_revision = 0
        self.watches: dict[str, AssetWatch] = {}
        for asset_id in asset_ids:
            self._watch(asset_id)

    def add(self, asset_id: str) -> None:
        """Watches one more asset. If it ever sent samples, they stopped with its link."""
        if asset_id not in self.watches:
            self._watch(asset_id).restore([], (), HoleCause.LINK)

    def drop(self, asset_id: str) -> None:
        """Watches an asset no longer. Its gaps stay as they are."""
        if self.watches.pop(asset_id, None) is not None:
            self._latest.slot(asset_id).watch = None

    def _watch(self, asset_id: str) -> AssetWatch:
        slot = self._latest.slot(asset_id)
        watch = AssetWatch(asset_id, slot, self._limits, self._note_change)
        slot.watch = self.watches[asset_id] = watch
        return watch

    def restore(
        self, unfinished: Sequence[Unfinished], silences: Mapping[str, HoleCause] = NO_SILENCES
    ) -> None:
        """Takes over what the journal has, once the latest table is filled.

        ``unfinished`` is sorted by asset and time. ``silences`` has, by asset, why its last session
        ended. An asset that was heard until the headend ended is silent for that reason, without
        one because of the headend's restart; any other because of its link.
        """
        slots = [self._latest.slot(asset_id) for asset_id in self.watches]
        alive_us = max((slot.received_us for slot in slots), default=0)
        found: dict[str, tuple[list[Hole], list[ReportedGap]]] = {}
        for each in unfinished:
            holes, reports = found.setdefault(each.record.asset_id, ([], []))
            if is_reported(each.record.id):
                reports.append(_to_report(each.record))
            else:
                self._last_revision = max(self._last_revision, each.record.revision)
                holes.append(_to_hole(each))
        for (asset_id, watch), slot in zip(self.watches.items(), slots, strict=True):
            was_heard = alive_us - slot.received_us <= self._limits.silent_us
            watch.restore(
                *found.get(asset_id, ([], [])),
                silences.get(asset_id, HoleCause.HEADEND_RESTART) if was_heard else HoleCause.LINK,
            )

    @property
    def changed(self) -> bool:
        """Whether ``take`` may return records."""
        return bool(self._changed)

    def take(self, now_us: int) -> list[GapRecord]:
        """The records that changed since the last call, to be stored."""
        if not self._changed:
            return []
        watches = list(self._changed)
        self._changed.clear()
        # Above every revision given out so far, even before a restart.
        self._last_revision = revision = max(self._last_revision + 1, now_us)
        changed = [each for watch in watches for each in watch.records()]
        # A report keeps the revision that its agent gave it.
        return [
            each if is_reported(each.id) else replace(each, revision=revision) for each in changed
        ]

    def session_began(
        self,
        session: HeardSession,
        asset_ids: Iterable[str],
        agent_id: str,
        boot_id: int,
        now_us: int,
    ) -> list[GapRecord]:
        """A session was granted these assets. Returns the records to store."""
        for asset_id in asset_ids:
            self.watches[asset_id].session_began(session, Origin(agent_id, boot_id))
        return self.take(now_us)

    def session_ended(
        self, session: HeardSession, asset_ids: Iterable[str], cause: HoleCause, now_us: int
    ) -> list[GapRecord]:
        """A session that was granted these assets ended. Returns the records to store."""
        for asset_id in asset_ids:
            watch = self.watches.get(asset_id)
            if watch is not None:
                watch.session_ended(session, cause)
        return self.take(now_us)

    def take_report(self, asset_id: str, report: ReportedGap, now_us: int) -> list[GapRecord]:
        """Explains holes by an agent's report. Returns the records to store."""
        watch = self.watches.get(asset_id)
        if watch is None:
            return []
        record = watch.take_report(report)
        return [replace(record, noticed_us=now_us), *self.take(now_us)]

    def _note_change(self, watch: AssetWatch) -> None:
        self._changed[watch] = None


def _to_hole(unfinished: Unfinished) -> Hole:
    record, low, high, stopped_by = unfinished
    return Hole(
        record.asset_id,
        record.start_us,
        record.start_us if record.filled_us is None else record.filled_us,
        low,
        record.end_us,
        high,
        stopped_by,
        record.noticed_us,
    )


def _to_report(record: GapRecord) -> ReportedGap:
    agent_id, boot_id, _ = record.id.split("/")
    return ReportedGap(
        record.id,
        Origin(agent_id, int(boot_id)),
        record.cause,
        record.start_us,
        record.end_us,
        record.rows or 0,
        record.revision,
    )
