"""The assets of a site as they are now, as candidates for its orders."""

from collections.abc import Callable
from dataclasses import replace

import trio

from derhead.dispatch.desk.dispatch_desk import DispatchDesk
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.orders.order import DispatchGroup, SiteOrder
from derhead.dispatch.sites.allocation import Allocation, Candidate, DoesNotFit, allocate
from derhead.dispatch.sites.availability import SiteNow, site_now
from derhead.telemetry import LatestTable, age_us, stale_after_us
from derproto.base.windows import Window
from derproto.configuration.fleet import Asset, Fleet

ASSETS_A_TURN = 200
"""Assets of a site to look at before other tasks have their turn: about a millisecond."""


class Candidates:
    """Reads an asset's session, its newest sample and its open dispatches."""

    def __init__(
        self,
        desk: DispatchDesk,
        fleet: Fleet,
        latest: LatestTable,
        holder: Callable[[str], str | None],
        wall_us: Callable[[], int],
        *,
        telemetry_period_ms: int,
    ) -> None:
        self._desk = desk
        self._fleet = fleet
        self._latest = latest
        self._holder = holder
        self._wall_us = wall_us
        self._stale_us = stale_after_us(telemetry_period_ms)

    def is_held(self, asset_id: str) -> bool:
        """Whether a session holds the asset."""
        return self._holder(asset_id) is not None

    def of_asset(self, asset: Asset) -> Candidate:
        online = self.is_held(asset.id)
        sample = self._latest.get(asset.id)
        if sample is None or age_us(sample, self._wall_us()) > self._stale_us:
            return Candidate(asset, online, fresh=False)
        return Candidate(asset, online, p_mw=sample.p_mw, soc=sample.soc)

    async def of_site(self, site_id: str) -> list[Candidate]:
        """The site's assets. Other tasks run in between, so each is as it was at its turn."""
        return await self._look(site_id, self.of_asset)

    async def now(self, site_id: str) -> SiteNow:
        """What the site's assets do, and what more they could do."""
        return site_now(await self.of_site(site_id))

    async def split(self, order: SiteOrder, now_us: int) -> Allocation | DoesNotFit:
        """Splits an order over the assets that no better order claims in its window."""
        window = order.window(now_us)

        def look(asset: Asset) -> Candidate:
            dispatches = self._desk.of_asset(asset.id)
            outranked = any(
                each.priority < order.priority and _claims(each, window) for each in dispatches
            )
            candidate = self.of_asset(asset)
            return replace(candidate, outranked=True) if outranked else candidate

        candidates = await self._look(order.site_id, look)
        return allocate(order.mw, candidates, duration_us=order.duration_us)

    async def _look(self, site_id: str, look: Callable[[Asset], Candidate]) -> list[Candidate]:
        assets = self._fleet.assets_of(site_id)
        found: list[Candidate] = []
        for start in range(0, len(assets), ASSETS_A_TURN):
            await trio.lowlevel.checkpoint()
            found += map(look, assets[start : start + ASSETS_A_TURN])
        return found

    def busy(self, group: DispatchGroup) -> frozenset[str]:
        """The assets that another order claims in the group's window."""
        return frozenset(
            asset.id
            for asset in self._fleet.assets_of(group.site_id)
            for dispatch in self._desk.of_asset(asset.id)
            if dispatch.group_id != group.id and _claims(dispatch, group.window)
        )


def _claims(dispatch: Dispatch, window: Window) -> bool:
    """Whether the dispatch claims its asset for a part of the window."""
    return dispatch.cancelling is None and dispatch.window.overlaps(window)
