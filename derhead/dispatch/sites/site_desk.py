"""Orders to whole sites, as callers give and withdraw them.

An order is split by what the assets can do now (``allocation.py``). The desk journals the parts
and the group in one commit, and ``group_keeper.py`` maintains the group from then on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import trio

from derhead.audit import AuditRecord
from derhead.dispatch.desk.dispatch_desk import DispatchDesk
from derhead.dispatch.desk.inputs import NotOpen, TooManyOpen
from derhead.dispatch.orders.idempotency import KeyClaim
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup, SiteOrder, expiry_us, of_order
from derhead.dispatch.orders.preflight import Preflight, preflight, superseding
from derhead.dispatch.sites.allocation import Allocation, DoesNotFit
from derhead.dispatch.sites.availability import SiteNow
from derhead.dispatch.sites.candidates import ASSETS_A_TURN, Candidates
from derhead.dispatch.sites.group_keeper import FoundGroup, GroupKeeper, GroupStore
from derhead.errors import JournalError
from derhead.telemetry import LatestTable
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)


@dataclass(frozen=True, slots=True)
class SitePreflight:
    """What an order to a site would do."""

    order: SiteOrder
    split: Allocation | DoesNotFit
    parts: tuple[Preflight, ...]
    sentence: str


class SiteDesk:
    """Takes orders for whole sites.

    Resource handling: ``run`` is its one task. Orders are taken even without ``run``.
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
        self._wall_us = runtime.wall_us
        self._candidates = Candidates(
            desk,
            fleet,
            latest,
            holder,
            runtime.wall_us,
            telemetry_period_ms=telemetry_period_ms,
        )
        self._keeper = GroupKeeper(desk, store, fleet, self._candidates, runtime)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Maintains the open groups until cancelled; see ``GroupKeeper.run``."""
        await self._keeper.run(task_status=task_status)

    async def order(
        self,
        order: SiteOrder,
        claim: KeyClaim | None = None,
        entry: AuditRecord | None = None,
    ) -> FoundGroup | DoesNotFit:
        """Splits an order, and returns its group and parts once the journal has them.

        ``entry`` goes into the same commit, with the order that it tells of.

        Raises: JournalError, TooManyOpen; then nothing was ordered.
        Cancellation: an order that the desk has begun to write stands.
        """
        now_us = self._wall_us()
        split = await self._candidates.split(order, now_us)
        if isinstance(split, DoesNotFit):
            return split
        if not split.shares:
            return DoesNotFit(0.0, 0.0, split.left_out)
        group = _group(order, split, now_us)
        used = [] if claim is None else [claim.used("group", group.id, now_us)]
        entries = [] if entry is None else [of_order(entry, group.id, group.site_id, order)]
        orders = [
            (str(uuid4()), _part(order, group, share.asset_id, share.mw)) for share in split.shares
        ]
        # Kept before the desk has the order: the group stands even if its caller hangs up.
        self._keeper.keep(group, ())
        try:
            parts = await self._desk.order_all(orders, group, *used, *entries)
        except (JournalError, TooManyOpen):
            self._keeper.drop(group.id)
            raise
        self._keeper.keep(group, parts)
        return group, parts

    async def cancel(
        self,
        group_id: str,
        reason: str,
        entry: AuditRecord | None = None,
        *,
        by: str | None = None,
    ) -> FoundGroup | None:
        """Withdraws the open parts of a group; None if there is no group of that id.

        ``entry`` goes into the commit of the group's withdrawal. ``by``: who withdraws it.

        Once the journal has the withdrawal of the group, its parts are withdrawn too: later, if
        the journal fails now.

        Raises: NotOpen if all parts have ended; JournalError, and then nothing was changed.
        """
        found = await self._store.group(group_id)
        if found is None:
            return None
        group, parts = found
        if all(part.ended for part in parts):
            raise NotOpen(group_id)
        if group.cancelling is None:
            # The group goes before its parts, so that no other asset takes over a withdrawn part.
            group = replace(group, cancelling=reason, withdrawn_by=by)
            entries = []
            if entry is not None:
                with_site = replace(entry, site_id=group.site_id)
                entries = [with_site.of_change({}, {"cancelling": reason})]
            await self._store.write(group, *entries)
        self._keeper.update(group)
        try:
            left = [part.id for part in parts if not part.ended]
            await self._keeper.withdraw(left, reason, group.withdrawn_by)
            return await self._store.group(group_id)
        except JournalError as error:
            log.warning(
                "parts of the group are withdrawn once the journal works",
                group=group_id,
                reason=error,
            )
            return group, parts

    def preflight(self, order: AssetOrder) -> Preflight:
        """What an order to an asset would do."""
        asset = self._fleet.assets[order.asset_id]
        now = self._candidates.of_asset(asset)
        return preflight(
            order,
            asset,
            self._desk.of_asset(asset.id),
            online=now.online,
            p_mw=now.p_mw,
            soc=now.soc,
            now_us=self._wall_us(),
        )

    async def preflight_site(self, order: SiteOrder) -> SitePreflight:
        """What an order to a site would do."""
        now_us = self._wall_us()
        split = await self._candidates.split(order, now_us)
        site = self._fleet.sites[order.site_id].name
        if isinstance(split, DoesNotFit) or not split.shares:
            low_mw = high_mw = 0.0
            if isinstance(split, DoesNotFit):
                low_mw, high_mw = split.low_mw, split.high_mw
            reach = (
                f"it can hold from {low_mw:.6g} to {high_mw:.6g} MW"
                if low_mw < high_mw
                else "none of its assets can take part"
            )
            said = f"{site} cannot hold {order.mw:.6g} MW now: {reach}."
            return SitePreflight(order, split, (), said)
        group = _group(order, split, now_us)
        parts: list[Preflight] = []
        for place, share in enumerate(split.shares):
            if place % ASSETS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
            parts.append(self.preflight(_part(order, group, share.asset_id, share.mw)))
        others = superseding(sum(len(part.supersedes) for part in parts))
        said = (
            f"{site} would hold {order.mw:.6g} MW with {len(parts)} of its "
            f"{len(parts) + len(split.left_out)} assets{others}."
        )
        return SitePreflight(order, split, tuple(parts), said)

    async def now(self, site_id: str) -> SiteNow:
        """What the site's assets do, and what more they could do."""
        return await self._candidates.now(site_id)


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
        ordered_by=order.ordered_by,
    )


def _part(order: SiteOrder, group: DispatchGroup, asset_id: str, mw: float) -> AssetOrder:
    return AssetOrder(
        asset_id=asset_id,
        mw=mw,
        duration_us=order.duration_us,
        priority=order.priority,
        ramp_mw_per_s=order.ramp_mw_per_s,
        # All parts have the window of the group, to the microsecond.
        start_us=group.start_us,
        expires_in_us=order.expires_in_us,
        group_id=group.id,
        ordered_by=group.ordered_by,
    )
