"""The ledger of gaps: tells the tracker what happens, and the journal what it makes of it.

What a sample changes is stored in the sample's own commit, so that after a crash the journal's
samples and gaps are of one moment. All else is noted: nobody waits for it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import trio

from derhead.gaps.holes import GapLimits, Told
from derhead.gaps.record import Cause, GapRecord
from derhead.gaps.tracker import GapStatistics, GapTracker, Unfinished
from derhead.gaps.watch import Talking
from derhead.telemetry import LatestTable
from derproto.base.runtime import Runtime

LOOK_S = 1.0
"""How often it is looked who is silent."""

ASSETS_A_TURN = 100
"""Assets that are looked at before other tasks have their turn: 20 µs, and a millisecond or so
where all of them have just fallen silent."""

CLOCK_STEP_US = 1_000_000
"""By more than this between two looks the headend's clock was set: then it tells nothing of how
long an asset has been silent, and counting begins anew."""


class Notes(Protocol):
    """What it needs of the journal."""

    def note(self, record: GapRecord) -> None: ...


class GapLedger:
    """All assets' gaps. Its methods are synchronous; ``run`` looks who is silent."""

    def __init__(
        self,
        asset_ids: Iterable[str],
        latest: LatestTable,
        store: Notes,
        limits: GapLimits,
        runtime: Runtime,
    ) -> None:
        self._tracker = GapTracker(asset_ids, latest, limits)
        self._store = store
        self._wall_us = runtime.wall_us

    def restore(self, unfinished: Sequence[Unfinished]) -> None:
        """Takes over what the journal knew, once the latest table is filled."""
        self._tracker.restore(unfinished)

    @property
    def changed(self) -> bool:
        """Whether samples that the latest table was offered have changed a gap."""
        return self._tracker.changed

    def take(self) -> list[GapRecord]:
        """What those samples changed, to be stored in their commit."""
        return self._tracker.take(self._wall_us())

    def tell(self, asset_id: str, told: Told) -> list[GapRecord]:
        """An agent explains a stretch; what to store before it is acknowledged."""
        return self._tracker.tell(asset_id, told, self._wall_us())

    def statistics(self) -> GapStatistics:
        return self._tracker.statistics()

    def session_began(
        self, session: Talking, asset_ids: Iterable[str], agent_id: str, boot_id: int
    ) -> None:
        """A session was granted these assets."""
        now_us = self._wall_us()
        self._note(self._tracker.session_began(session, asset_ids, agent_id, boot_id, now_us))

    def session_ended(self, session: Talking, asset_ids: Iterable[str], because: Cause) -> None:
        """A session is over."""
        now_us = self._wall_us()
        self._note(self._tracker.session_ended(session, asset_ids, because, now_us))

    async def run(self) -> None:
        """Opens gaps of assets that are silent, until cancelled.

        After its start, and after the headend's clock was set, every asset has its time to be
        heard before it counts as silent.
        """
        watches = list(self._tracker.watches.values())
        trusted_us = now_us = self._wall_us()
        now_s = trio.current_time()
        while True:
            await trio.sleep(LOOK_S)
            expected_us = now_us + round((trio.current_time() - now_s) * 1e6)
            now_us, now_s = self._wall_us(), trio.current_time()
            if abs(now_us - expected_us) > CLOCK_STEP_US:
                trusted_us = now_us
            for first in range(0, len(watches), ASSETS_A_TURN):
                for watch in watches[first : first + ASSETS_A_TURN]:
                    watch.look(now_us, trusted_us)
                self._note(self._tracker.take(now_us))
                await trio.lowlevel.checkpoint()

    def _note(self, records: Iterable[GapRecord]) -> None:
        for record in records:
            self._store.note(record)
