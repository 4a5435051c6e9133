"""Four agents of one asset each, under a real desk and site desk, with a journal in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from derhead.dispatch import (
    Dispatch,
    DispatchDesk,
    DispatchGroup,
    DoesNotFit,
    FoundGroup,
    Reported,
    SiteDesk,
    SiteOrder,
    State,
    UsedKey,
)
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from tests.support.assets import fleet_of
from tests.support.dispatch import desk_fakes
from tests.support.epoch import T0, S
from tests.unit.dispatch.sites.site import ASSETS, NAMES

FLEET = fleet_of(*ASSETS.values(), site_name="North")
ORDER = SiteOrder("site", 2.0, 600 * S)


@dataclass
class Store(desk_fakes.Store):
    """Groups too."""

    async def open_groups(self) -> Sequence[DispatchGroup]:
        await trio.lowlevel.checkpoint()
        return [
            group
            for group in self.groups.values()
            if any(not part.ended for part in self.parts(group.id))
        ]

    async def group(self, group_id: str) -> FoundGroup | None:
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise JournalError("disk full")
        group = self.groups.get(group_id)
        return None if group is None else (group, self.parts(group_id))

    @property
    def groups(self) -> dict[str, DispatchGroup]:
        return {each.id: each for each in self.others if isinstance(each, DispatchGroup)}

    def parts(self, group_id: str) -> list[Dispatch]:
        return [each for each in self.kept.values() if each.group_id == group_id]

    @property
    def keys(self) -> list[UsedKey]:
        return [each for each in self.others if isinstance(each, UsedKey)]


@dataclass
class World:
    """The desks, the journal, and the agents that are online."""

    store: Store = field(default_factory=Store)
    online: set[str] = field(default_factory=set)
    revision: int = 0

    def __post_init__(self) -> None:
        self.desk = DispatchDesk(self.store, virtual_runtime(T0))
        self.sites = self.make_site_desk()

    def make_site_desk(self) -> SiteDesk:
        """A site desk that knows no group yet."""
        latest = LatestTable()
        for name in NAMES:
            latest.offer(Sample(name, "x", 1, 1, T0, T0, p_mw=0.0, soc=0.5))
        runtime = virtual_runtime(T0)
        return SiteDesk(
            self.desk, self.store, FLEET, latest, self.holder, runtime, telemetry_period_ms=4000
        )

    def holder(self, asset_id: str) -> str | None:
        return f"agent-{asset_id}" if asset_id in self.online else None

    def come(self, *names: str) -> None:
        for name in names:
            self.online.add(name)
            self.desk.session_opened_nowait(desk_fakes.Link(f"s-{name}", (name,)), ())

    def leave(self, name: str) -> None:
        self.online.discard(name)
        self.desk.session_ended_nowait(f"s-{name}")

    async def start_group(self) -> DispatchGroup:
        """The group of ``ORDER``, after all agents came and started their parts."""
        self.come(*NAMES)
        found = await self.sites.order(ORDER)
        assert not isinstance(found, DoesNotFit)
        group, parts = found
        for part in parts:
            await self.report(part, State.STARTED)
        return group

    async def report(self, part: Dispatch, state: State) -> None:
        self.revision += 1
        reported = Reported(state, revision=self.revision)
        await self.desk.report(part.asset_id, part.id, reported)

    def open(self, group_id: str) -> dict[str, float]:
        """MW of the open parts that are wanted, the newest of each asset."""
        return {
            part.asset_id: part.mw
            for part in self.store.parts(group_id)
            if not part.ended and part.cancelling is None
        }
