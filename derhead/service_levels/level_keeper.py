"""Keeps the service levels of all assets: hears what happens, stores hours, reads past ones.

Three tasks. One goes round the fleet in turns of the loop, counts the time up to now and hands
hours to the journal; nobody waits for them. One reads the stored hours of one asset after another
whenever the window has moved on, and one reads the gaps, also when one has changed. The journal
alone has all hours, while older gaps may be in a database that is away.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from derhead.dispatch import Dispatch
from derhead.errors import JournalError
from derhead.gaps import GapRecord
from derhead.service_levels.asset_levels import AssetLevels, LevelTotals
from derhead.service_levels.gap_sums import GapSums
from derhead.service_levels.level_hour import HOUR_US, LevelHour, hour_of
from derhead.service_levels.level_sums import LevelSums
from derhead.service_levels.objectives import WINDOW_HOURS
from derhead.telemetry import LatestTable
from derproto.base.runtime import Runtime
from derproto.base.turns import look_in_turns
from derproto.stdio.log_events import event_log

log = event_log(__name__)

COUNT_S = 10.0
"""Pause between two rounds of the fleet."""

STORE_S = 60.0
"""Time after which an hour is stored again while it runs. A dispatch, a reconnect or the end of an
hour has it stored in the next round."""

STORE_PHASES = 6
"""Rounds over which the assets are spread, so that not all hours are stored in the same one."""

LOADED_AT_ONCE = 500
"""Assets whose last hours one query reads at the start: some milliseconds."""

SETTLE_S = 1.0
"""Pause before changed gaps are read: the commit that stores them is over by then."""

READ_PAUSE_S = 0.005
"""Pause between the reading of two assets, for other queries."""

READ_AGAIN_S = 30.0
"""Pause before the next attempt while the past cannot be read."""


class LevelStore(Protocol):
    """The part of the journal that the keeper uses."""

    def note(self, record: LevelHour) -> None: ...

    async def last_levels(
        self, asset_ids: Sequence[str], before_us: int
    ) -> Sequence[LevelHour]: ...


class StoredPast(Protocol):
    """Stored records of one asset since a time. Raises: JournalError."""

    async def hours(self, asset_id: str, from_us: int) -> Sequence[LevelHour]: ...

    async def gaps(self, asset_id: str, from_us: int) -> Sequence[GapRecord]:
        """The gaps that reach into the time since then."""


class _Unread:
    """Assets of which something is to be read, in the order in which that was known."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.asset_ids: dict[str, None] = {}
        self._added = trio.Event()

    def add(self, asset_ids: Iterable[str]) -> None:
        self.asset_ids |= dict.fromkeys(asset_ids)
        self._added.set()

    async def wait(self) -> None:
        """Returns once assets were added since the last call."""
        await self._added.wait()
        self._added = trio.Event()


@dataclass(eq=False, slots=True)
class _Kept:
    """One asset."""

    levels: AssetLevels
    stored_s: float
    """When its hour was handed to the journal last."""
    gaps: GapSums = field(default_factory=GapSums)
    is_urgent: bool = False
    """Something happened that the next round stores."""


class LevelKeeper:
    """Counts the service levels of a fleet.

    All methods but ``load`` and ``run`` are synchronous. ``run`` holds its three tasks.
    """

    def __init__(
        self,
        asset_ids: Iterable[str],
        latest: LatestTable,
        store: LevelStore,
        past: StoredPast,
        runtime: Runtime,
    ) -> None:
        self.totals = LevelTotals()
        """All assets since the start, up to each asset's last count: at most ``COUNT_S`` ago."""
        self._latest = latest
        self._store = store
        self._past = past
        self._wall_us = runtime.wall_us
        self._kept: dict[str, _Kept] = {}
        self._unread_hours, self._unread_gaps = _Unread("hours"), _Unread("gaps")
        for asset_id in asset_ids:
            self._keep(asset_id)

    async def load(self) -> None:
        """Goes on where the journal's last hours end, once the latest table is filled.

        Raises: JournalError.
        """
        asset_ids = list(self._kept)
        now_us = self._wall_us()
        for first in range(0, len(asset_ids), LOADED_AT_ONCE):
            piece = asset_ids[first : first + LOADED_AT_ONCE]
            for last in await self._store.last_levels(piece, hour_of(now_us) + HOUR_US):
                heard_us = self._latest.slot(last.asset_id).received_us
                self._kept[last.asset_id].levels.resume(last, heard_us, now_us)

    # --- what happens ---------------------------------------------------------------

    def add(self, asset_id: str) -> None:
        """Keeps one more asset; it counts from its next sample on."""
        if asset_id not in self._kept:
            self._keep(asset_id)
            self._unread_hours.add((asset_id,))
            self._unread_gaps.add((asset_id,))

    def drop(self, asset_id: str) -> None:
        """Keeps an asset no longer. Its stored hours stay."""
        kept = self._kept.pop(asset_id, None)
        if kept is not None:
            kept.levels.count(self._wall_us())
            self._note(kept)
            self._latest.slot(asset_id).freshness = None

    def session_began(self, session: object, asset_ids: Iterable[str]) -> None:
        """A session was granted these assets."""
        now_us = self._wall_us()
        for asset_id in asset_ids:
            kept = self._kept.get(asset_id)
            if kept is not None:
                kept.levels.session_began(session, now_us)
                kept.is_urgent = True

    def session_ended(self, session: object, asset_ids: Iterable[str]) -> None:
        """A session that was granted these assets ended."""
        now_us = self._wall_us()
        for asset_id in asset_ids:
            kept = self._kept.get(asset_id)
            if kept is not None:
                kept.levels.session_ended(session, now_us)

    def dispatch_changed(self, before: Dispatch | None, after: Dispatch) -> None:
        """A dispatch changed, and the journal has the change."""
        kept = self._kept.get(after.asset_id)
        if kept is not None:
            kept.levels.take_dispatch(before, after)
            kept.is_urgent = True

    def gaps_changed(self, asset_id: str) -> None:
        """A gap of the asset changed."""
        self._unread_gaps.add((asset_id,))

    # --- what was counted -----------------------------------------------------------

    def sums(self, asset_id: str) -> LevelSums:
        """The asset's sums up to now; all zero if it is not in the fleet."""
        kept = self._kept.get(asset_id)
        if kept is None:
            return LevelSums()
        kept.levels.count(self._wall_us())
        return kept.levels.sums()

    def gaps(self, asset_id: str) -> GapSums:
        """The asset's gaps, some seconds late."""
        kept = self._kept.get(asset_id)
        return GapSums() if kept is None else kept.gaps

    # --- the tasks ------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until cancelled; then hands every hour to the journal once more."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._go_round)
                nursery.start_soon(self._keep_reading, self._unread_hours, self._read_hours)
                nursery.start_soon(self._keep_reading, self._unread_gaps, self._read_gaps)
        finally:
            now_us = self._wall_us()
            for kept in self._kept.values():
                kept.levels.count(now_us)
                self._note(kept)

    async def _go_round(self) -> None:
        hour_us = None
        while True:
            if hour_us != hour_of(self._wall_us()):
                hour_us = hour_of(self._wall_us())
                # The window has moved on.
                self._unread_hours.add(self._kept)
                self._unread_gaps.add(self._kept)
            await look_in_turns(tuple(self._kept.values()), self._look)
            await trio.sleep(COUNT_S)

    def _look(self, kept: _Kept) -> None:
        kept.levels.count(self._wall_us())
        is_due = trio.current_time() - kept.stored_s >= STORE_S
        if is_due or kept.is_urgent or kept.levels.finished:
            self._note(kept)

    def _note(self, kept: _Kept) -> None:
        """Hands the asset's hours to the journal."""
        levels = kept.levels
        for ended in levels.finished:
            self._store.note(ended)
        levels.finished.clear()
        if levels.hour is not None:
            self._store.note(levels.hour.copy())
        kept.is_urgent, kept.stored_s = False, trio.current_time()

    async def _keep_reading(
        self, unread: _Unread, read: Callable[[str, int], Awaitable[None]]
    ) -> None:
        cannot_read = False
        while True:
            await unread.wait()
            await trio.sleep(SETTLE_S)
            while unread.asset_ids:
                asset_id = next(iter(unread.asset_ids))
                # Before reading: what changes meanwhile is read again.
                del unread.asset_ids[asset_id]
                try:
                    await read(asset_id, window_from_us(self._wall_us()))
                except JournalError as error:
                    if not cannot_read:
                        log.warning(
                            "service levels lack their past for now",
                            lacking=unread.what,
                            reason=error,
                        )
                    cannot_read = True
                    unread.asset_ids[asset_id] = None
                    await trio.sleep(READ_AGAIN_S)
                else:
                    cannot_read = False
                    await trio.sleep(READ_PAUSE_S)

    async def _read_hours(self, asset_id: str, from_us: int) -> None:
        """Reads the stored hours of an asset. Raises: JournalError."""
        hours = await self._past.hours(asset_id, from_us)
        kept = self._kept.get(asset_id)
        if kept is not None:
            kept.levels.count(self._wall_us())
            kept.levels.take_past(hours)

    async def _read_gaps(self, asset_id: str, from_us: int) -> None:
        """Reads the stored gaps of an asset. Raises: JournalError."""
        gaps = await self._past.gaps(asset_id, from_us)
        kept = self._kept.get(asset_id)
        if kept is not None:
            kept.gaps = GapSums.of(gaps, from_us)

    def _keep(self, asset_id: str) -> None:
        slot = self._latest.slot(asset_id)
        levels = AssetLevels(asset_id, slot, self.totals, _steady_us)
        phase = len(self._kept) % STORE_PHASES
        stored_s = trio.current_time() - STORE_S * phase / STORE_PHASES
        slot.freshness = levels
        self._kept[asset_id] = _Kept(levels, stored_s)


def window_from_us(now_us: int) -> int:
    """The beginning of the window that ends now."""
    return hour_of(now_us) - (WINDOW_HOURS - 1) * HOUR_US


def _steady_us() -> int:
    return round(trio.current_time() * 1e6)
