"""Takes orders and withdrawals of callers, with their keys and their entries in the audit trail."""

from dataclasses import replace
from uuid import uuid4

from derhead.audit import NOBODY_KNOWN, AuditAction, Caller, audit_record
from derhead.dispatch.desk.dispatch_desk import DispatchDesk
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.orders.idempotency import KeyClaim
from derhead.dispatch.orders.keys import KeyKeeper
from derhead.dispatch.orders.order import AssetOrder, SiteOrder, of_order
from derhead.dispatch.sites.allocation import DoesNotFit
from derhead.dispatch.sites.group_keeper import FoundGroup
from derhead.dispatch.sites.site_desk import SiteDesk
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet


class OrderTaking:
    """What callers may ask of the desk and of the site desk."""

    def __init__(
        self,
        desk: DispatchDesk,
        sites: SiteDesk,
        keys: KeyKeeper,
        fleet: Fleet,
        runtime: Runtime,
    ) -> None:
        self._desk = desk
        self._sites = sites
        self._keys = keys
        self._fleet = fleet
        self._wall_us = runtime.wall_us

    async def order(
        self,
        order: AssetOrder,
        claim: KeyClaim | None = None,
        caller: Caller = NOBODY_KNOWN,
    ) -> Dispatch:
        """Takes an order, and remembers its idempotency key and its caller.

        Raises: JournalError, TooManyOpen; then there is no dispatch.
        """
        dispatch_id = str(uuid4())
        now_us = self._wall_us()
        used = [] if claim is None else [claim.used("dispatch", dispatch_id, now_us)]
        entry = audit_record(AuditAction.ORDER, caller, now_us)
        asset = self._fleet.assets.get(order.asset_id)
        site_id = None if asset is None else asset.site_id
        order = replace(order, ordered_by=caller.known_as)
        (dispatch,) = await self._desk.order_all(
            [(dispatch_id, order)], *used, of_order(entry, dispatch_id, site_id, order)
        )
        if used:
            self._keys.count_one()
        return dispatch

    async def order_site(
        self,
        order: SiteOrder,
        claim: KeyClaim | None = None,
        caller: Caller = NOBODY_KNOWN,
    ) -> FoundGroup | DoesNotFit:
        """Splits an order over a site, and remembers its idempotency key and its caller.

        Raises: JournalError, TooManyOpen; then nothing was ordered.
        """
        entry = audit_record(AuditAction.ORDER, caller, self._wall_us())
        order = replace(order, ordered_by=caller.known_as)
        found = await self._sites.order(order, claim, entry)
        if claim is not None and not isinstance(found, DoesNotFit):
            self._keys.count_one()
        return found

    async def cancel(
        self, dispatch_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> Dispatch:
        """Withdraws a dispatch. Raises: NotOpen; JournalError, and then the dispatch goes on."""
        dispatch = self._desk.get(dispatch_id)
        asset = None if dispatch is None else self._fleet.assets.get(dispatch.asset_id)
        entry = audit_record(
            AuditAction.WITHDRAWAL,
            caller,
            self._wall_us(),
            target=dispatch_id,
            site_id=None if asset is None else asset.site_id,
            detail=reason,
        )
        return await self._desk.cancel(dispatch_id, reason, entry, by=caller.known_as)

    async def cancel_group(
        self, group_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> FoundGroup | None:
        """Withdraws the open dispatches of a group; None if there is no such group.

        Raises: NotOpen; JournalError, and then the caller may try again.
        """
        entry = audit_record(
            AuditAction.WITHDRAWAL, caller, self._wall_us(), target=group_id, detail=reason
        )
        return await self._sites.cancel(group_id, reason, entry, by=caller.known_as)
