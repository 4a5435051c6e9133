"""The gap ledger: feeds the tracker, and stores the records that the tracker returns.

The commit that stores a sample also stores the gaps that the sample changed, so that a crash
cannot part them. All other changes are noted in the journal, and nobody waits for them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import trio

from derhead.gaps.holes import GapLimits, ReportedGap
from derhead.gaps.record import GapRecord, HoleCause
from derhead.gaps.tracker import (
    NO_SILENCES,
    GapCount,
    GapStatistics,
    GapTracker,
    Unfinished,
)
from derhead.gaps.watch import HeardSession
from derhead.telemetry import LatestTable
from derproto.base.runtime import Runtime

CHECK_S = 1.0
"""Pause between two checks for silent assets."""

ASSETS_A_TURN = 100
"""Assets to check before other tasks get their turn: 20 µs, or about 1 ms if all of them have just
fallen silent."""

CLOCK_STEP_US = 1_000_000
"""Deviation of the headend's clock between two checks above which it counts as set. Silence then
counts anew, since the clock no longer tells how long an asset has been silent."""


class GapNotes(Protocol):
    """The part of the journal that the ledger uses."""

    def note(self, record: GapRecord) -> None: ...


class GapLedger:
    """Keeps the gaps of all assets. ``on_change`` is called with the asset of each change.

    Its methods are synchronous. ``run`` is its one task, which finds silent assets.
    """

    def __init__(
        self,
        asset_ids: Iterable[str],
        latest: LatestTable,
        store: GapNotes,
        limits: GapLimits,
        runtime: Runtime,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tracker = GapTracker(asset_ids, latest, limits)
        self._statistics = GapCount().statistics()
        self._store = store
        self._wall_us = runtime.wall_us
        self._on_change = on_change

    def restore(
        self, unfinished: Sequence[Unfinished], silences: Mapping[str, HoleCause] = NO_SILENCES
    ) -> None:
        """Takes over what the journal has, once the latest table is filled.

        ``silences`` has, by asset, why its last session ended.
        """
        self._tracker.restore(unfinished, silences)

    def add(self, asset_id: str) -> None:
        """Keeps the gaps of one more asset from now on."""
        self._tracker.add(asset_id)

    def drop(self, asset_id: str) -> None:
        """Keeps the gaps of an asset no longer; those that are stored stay."""
        self._tracker.drop(asset_id)

    @property
    def changed(self) -> bool:
        """Whether samples offered to the latest table have changed a gap."""
        return self._tracker.changed

    def take(self) -> list[GapRecord]:
        """The records that offered samples changed, to be stored in the commit of those samples."""
        return self._shown(self._tracker.take(self._wall_us()))

    def take_report(self, asset_id: str, report: ReportedGap) -> list[GapRecord]:
        """Takes an agent's report. Returns the records to store before it is acknowledged."""
        return self._shown(self._tracker.take_report(asset_id, report, self._wall_us()))

    def statistics(self) -> GapStatistics:
        """The gaps at the last check."""
        return self._statistics

    def session_began(
        self, session: HeardSession, asset_ids: Iterable[str], agent_id: str, boot_id: int
    ) -> None:
        """A session was granted these assets."""
        now_us = self._wall_us()
        self._note(self._tracker.session_began(session, asset_ids, agent_id, boot_id, now_us))

    def session_ended(
        self, session: HeardSession, asset_ids: Iterable[str], cause: HoleCause
    ) -> None:
        """A session ended."""
        now_us = self._wall_us()
        self._note(self._tracker.session_ended(session, asset_ids, cause, now_us))

    async def run(self) -> None:
        """Opens the gaps of silent assets, until cancelled.

        After the start, and after the headend's clock was set, every asset has the full time
        again before it counts as silent.
        """
        trusted_us = now_us = self._wall_us()
        now_s = trio.current_time()
        while True:
            await trio.sleep(CHECK_S)
            expected_us = now_us + round((trio.current_time() - now_s) * 1e6)
            now_us, now_s = self._wall_us(), trio.current_time()
            if abs(now_us - expected_us) > CLOCK_STEP_US:
                trusted_us = now_us
            count = GapCount()
            watches = list(self._tracker.watches.values())
            for first in range(0, len(watches), ASSETS_A_TURN):
                for watch in watches[first : first + ASSETS_A_TURN]:
                    watch.check_silence(now_us, trusted_us)
                    count.take(watch)
                self._note(self._tracker.take(now_us))
                await trio.lowlevel.checkpoint()
            self._statistics = count.statistics()

    def _note(self, records: Iterable[GapRecord]) -> None:
        for record in records:
            self._store.note(record)
            self._on_change(record.asset_id)

    def _shown(self, records: list[GapRecord]) -> list[GapRecord]:
        for record in records:
            self._on_change(record.asset_id)
        return records
