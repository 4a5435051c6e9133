"""Orders to whole sites: split over the assets, kept as groups, made up for where one drops out.

An order is split by what the assets can do now (``allocation.py``, pure) and given to the
desk as dispatches, the parts, in one commit with the group. One task looks after the groups
of which a part is open; when an asset drops out the others take over what it should have
done (``reallocation.py``, pure). What a group has come to is read off its parts
(``groups.py``, pure): nothing else is remembered, so that a restart forgets nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import uuid4

import trio

from derhead.dispatch.desk.dispatch_desk import DispatchDesk
from derhead.dispatch.desk.inputs import NotOpen, TooManyOpen
from derhead.dispatch.life.lifecycle import Dispatch
from derhead.dispatch.orders.idempotency import KeyClaim
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup, SiteOrder, expiry_us
from derhead.dispatch.orders.preflight import Preflight, preflight, superseding
from derhead.dispatch.sites.allocation import Allocation, Candidate, DoesNotFit, allocate
from derhead.dispatch.sites.availability import SiteNow, site_now
from derhead.dispatch.sites.reallocation import AWAY, LOST, lost_assets, reallocate
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, age_us, stale_after_us
from derproto.base.fleet import Asset, Fleet
from derproto.base.runtime import Runtime
from derproto.base.windows import Window

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""Pause between two looks at the open groups."""

MAX_REALLOCATIONS = 16
"""Times that other assets take over in one group. When over, further dropouts stay missing and
are shown: a site that fails so often is for people to look at."""

UNANSWERED_US = 60_000_000
"""How long a group is kept whose caller hung up, for the desk to have journaled it."""

FoundGroup = tuple[DispatchGroup, Sequence[Dispatch]]


class GroupStore(Protocol):
    """What is needed of the journal. Raises: JournalError."""

    async def open_groups(self) -> Sequence[DispatchGroup]: ...

    async def group(self, group_id: str) -> FoundGroup | None: ...

    async def write(self, *records: DispatchGroup) -> None: ...


@dataclass(frozen=True, slots=True)
class SitePreflight:
    """What would become of an order to a site."""

    order: SiteOrder
    split: Allocation | DoesNotFit
    parts: tuple[Preflight, ...]
    sentence: str


@dataclass(slots=True)
class _Kept:
    """A group of which a part is open."""

    group: DispatchGroup
    parts: dict[str, Dispatch]
    settled: bool = False
    """Nothing is left to be done unless something changes."""
    handled: frozenset[str] = frozenset()
    """Assets and parts that had dropped out when it was last split anew."""
    reallocations: int = 0
    away_since_us: dict[str, int] = field(default_factory=dict)


class SiteDesk:
    """Takes orders for whole sites.

    Resource handling: ``run`` is its one task. Without it orders are still taken.
    """

    def __init__(
        self,
        desk: DispatchDesk,
        store: GroupStore,
        fleet: Fleet,
        latest: LatestTable,
        holder: Callable[[str], str | None],
        runtime: Runtime,
        *,
        telemetry_period_ms: int,
    ) -> None:
        self._desk = desk
        self._store = store
        self._fleet = fleet
        self._latest = latest
        self._holder = holder
        self._wall_us = runtime.wall_us
        self._stale_us = stale_after_us(telemetry_period_ms)
        self._kept: dict[str, _Kept] = {}

    # --- from outside ---------------------------------------------------------------

    async def order(
        self, order: SiteOrder, claim: KeyClaim | None = None
    ) -> FoundGroup | DoesNotFit:
        """Splits an order, and returns its group and parts once the journal has them.

        Raises: JournalError, TooManyOpen; then nothing was ordered.
        Cancellation: an order that the desk had begun to write stands.
        """
        now_us = self._wall_us()
        split = self._split(order, now_us)
        if isinstance(split, DoesNotFit):
            return split
        if not split.shares:
            return DoesNotFit(0.0, 0.0, split.left_out)
        group = _group(order, split, now_us)
        used = [] if claim is None else [claim.used("group", group.id, now_us)]
        orders = [
            (str(uuid4()), _part(order, group, share.asset_id, share.mw)) for share in split.shares
        ]
        # Before the desk has it: a caller that hangs up may leave a group that stands.
        self._keep(group, ())
        try:
            parts = await self._desk.order_all(orders, group, *used)
        except (JournalError, TooManyOpen):
            del self._kept[group.id]
            raise
        self._keep(group, parts)
        return group, parts

    async def cancel(self, group_id: str, reason: str) -> FoundGroup | None:
        """Withdraws all that is open of a group; None if there is none of that id.

        Raises: NotOpen if all its parts have ended; JournalError, and then nothing was changed.
        Once the group's withdrawal is noted, that of its parts follows, whatever the journal
        does now.
        """
        found = await self._store.group(group_id)
        if found is None:
            return None
        group, parts = found
        if all(part.ended for part in parts):
            raise NotOpen(group_id)
        if group.cancelling is None:
            # First of all, so that no other asset takes over what is withdrawn.
            group = replace(group, cancelling=reason)
            await self._store.write(group)
        kept = self._kept.get(group_id)
        if kept is not None:
            kept.group = group
        try:
            await self._withdraw([part.id for part in parts if not part.ended], reason)
            return await self._store.group(group_id)
        except JournalError as error:
            log.warning("group %s is withdrawn once the journal takes it: %s", group_id, error)
            return group, parts

    def preflight(self, order: AssetOrder) -> Preflight:
        """What would become of an order to an asset."""
        asset = self._fleet.assets[order.asset_id]
        now = self._candidate(asset)
        return preflight(
            order,
            asset,
            self._desk.of_asset(asset.id),
            online=now.online,
            p_mw=now.p_mw,
            soc=now.soc,
            now_us=self._wall_us(),
        )

    def preflight_site(self, order: SiteOrder) -> SitePreflight:
        """What would become of an order to a site."""
        now_us = self._wall_us()
        split = self._split(order, now_us)
        site = self._fleet.sites[order.site_id].name
        if isinstance(split, DoesNotFit) or not split.shares:
            low_mw, high_mw = (0.0, 0.0) if isinstance(split, Allocation) else _ends(split)
            said = f"{site} cannot do it: from {low_mw:.6g} to {high_mw:.6g} MW is what it can now."
            return SitePreflight(order, split, (), said)
        group = _group(order, split, now_us)
        parts = tuple(
            self.preflight(_part(order, group, share.asset_id, share.mw)) for share in split.shares
        )
        others = superseding(sum(len(part.supersedes) for part in parts))
        said = (
            f"{site} would hold {order.mw:.6g} MW with {len(parts)} of its "
            f"{len(parts) + len(split.left_out)} assets{others}."
        )
        return SitePreflight(order, split, parts, said)

    def now(self, site_id: str) -> SiteNow:
        """What the site's assets do, and what more they could."""
        return site_now(self._candidates(site_id))

    # --- the task -------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Loads the groups that are open, and looks after them until cancelled.

        Raises: JournalError at the start; while the journal fails later, it tries again.
        """
        for group in await self._store.open_groups():
            found = await self._store.group(group.id)
            if found is not None:
                self._keep(*found)
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            for kept in list(self._kept.values()):
                try:
                    await self._look_after(kept)
                except JournalError as error:
                    log.warning("group %s waits for the journal: %s", kept.group.id, error)

    async def _look_after(self, kept: _Kept) -> None:
        changed = await self._refresh(kept)
        group, parts = kept.group, list(kept.parts.values())
        now_us = self._wall_us()
        if not parts and now_us < group.created_us + UNANSWERED_US:
            return
        if all(part.ended for part in parts):
            self._kept.pop(group.id, None)
            return
        if group.cancelling is not None:
            # A restart came between the group's withdrawal and its parts'.
            left = [part.id for part in parts if not part.ended and part.cancelling is None]
            await self._withdraw(left, group.cancelling)
            return
        self._note_absences(kept, now_us)
        if kept.settled and not changed and not kept.away_since_us:
            # Most groups, most of the time.
            return
        kept.settled = False
        lost = lost_assets(parts, self._fleet.assets, kept.away_since_us, now_us)
        dropped = lost | {part.id for part in parts if part.state in LOST}
        if dropped != kept.handled:
            if kept.reallocations < MAX_REALLOCATIONS:
                await self._reallocate(kept, lost, now_us)
            kept.handled = dropped
        kept.settled = True

    async def _reallocate(self, kept: _Kept, lost: frozenset[str], now_us: int) -> None:
        group = kept.group
        found = reallocate(
            group,
            list(kept.parts.values()),
            self._candidates(group.site_id),
            lost=lost,
            busy=self._busy(group),
            now_us=now_us,
        )
        if found is None:
            return
        kept.reallocations += 1
        log.info("group %s: %d take over for %d", group.id, len(found.orders), len(lost))
        await self._withdraw(found.cancels, AWAY)
        if found.orders:
            try:
                new = await self._desk.order_all([(str(uuid4()), each) for each in found.orders])
            except TooManyOpen as full:
                log.warning("group %s: nothing takes over: %s", group.id, full)
            else:
                kept.parts.update({part.id: part for part in new})

    async def _refresh(self, kept: _Kept) -> bool:
        """Brings the parts up to date; those that ended are the journal's to tell.

        Tells whether anything is new.
        """
        ended = not kept.parts
        changed = False
        for part in kept.parts.values():
            if not part.ended:
                now = self._desk.get(part.id)
                ended |= now is None
                changed |= now is not part
                kept.parts[part.id] = now or part
        if ended:
            found = await self._store.group(kept.group.id)
            if found is not None:
                kept.parts = {part.id: part for part in found[1]}
        return changed or ended

    def _note_absences(self, kept: _Kept, now_us: int) -> None:
        for part in kept.parts.values():
            if self._holder(part.asset_id) is not None:
                kept.away_since_us.pop(part.asset_id, None)
            else:
                kept.away_since_us.setdefault(part.asset_id, now_us)

    async def _withdraw(self, dispatch_ids: Sequence[str], reason: str) -> None:
        for dispatch_id in dispatch_ids:
            try:
                await self._desk.cancel(dispatch_id, reason)
            except NotOpen:
                # It has ended meanwhile.
                continue

    def _keep(self, group: DispatchGroup, parts: Sequence[Dispatch]) -> None:
        # As many as there are open dispatches at most, whom the desk bounds.
        self._kept[group.id] = _Kept(group, {part.id: part for part in parts})

    # --- what the assets can do -----------------------------------------------------

    def _split(self, order: SiteOrder, now_us: int) -> Allocation | DoesNotFit:
        window = order.window(now_us)
        candidates = [
            replace(
                candidate,
                outranked=any(
                    each.priority < order.priority and _claims(each, window)
                    for each in self._desk.of_asset(candidate.asset.id)
                ),
            )
            for candidate in self._candidates(order.site_id)
        ]
        return allocate(order.mw, candidates, duration_us=order.duration_us)

    def _candidates(self, site_id: str) -> list[Candidate]:
        return [self._candidate(asset) for asset in self._fleet.assets_of(site_id)]

    def _candidate(self, asset: Asset) -> Candidate:
        online = self._holder(asset.id) is not None
        sample = self._latest.get(asset.id)
        if sample is None or age_us(sample, self._wall_us()) > self._stale_us:
            return Candidate(asset, online, fresh=False)
        return Candidate(asset, online, p_mw=sample.p_mw, soc=sample.soc)

    def _busy(self, group: DispatchGroup) -> frozenset[str]:
        """The assets that follow somebody else's order in the group's window."""
        return frozenset(
            asset.id
            for asset in self._fleet.assets_of(group.site_id)
            for dispatch in self._desk.of_asset(asset.id)
            if dispatch.group_id != group.id and _claims(dispatch, group.window)
        )


def _group(order: SiteOrder, split: Allocation, now_us: int) -> DispatchGroup:
    window = order.window(now_us)
    return DispatchGroup(
        id=str(uuid4()),
        site_id=order.site_id,
        mw=order.mw,
        created_us=now_us,
        start_us=window.start_us,
        duration_us=window.duration_us,
        priority=order.priority,
        ramp_mw_per_s=order.ramp_mw_per_s,
        expires_us=expiry_us(order, now_us),
        left_out=split.left_out,
    )


def _part(order: SiteOrder, group: DispatchGroup, asset_id: str, mw: float) -> AssetOrder:
    return AssetOrder(
        asset_id=asset_id,
        mw=mw,
        duration_us=order.duration_us,
        priority=order.priority,
        ramp_mw_per_s=order.ramp_mw_per_s,
        # All parts have the group's window, to the microsecond.
        start_us=group.start_us,
        expires_in_us=order.expires_in_us,
        group_id=group.id,
    )


def _claims(dispatch: Dispatch, window: Window) -> bool:
    """Whether its asset belongs to the dispatch for a part of the window."""
    return dispatch.cancelling is None and dispatch.window.overlaps(window)


def _ends(split: DoesNotFit) -> tuple[float, float]:
    return split.low_mw, split.high_mw
