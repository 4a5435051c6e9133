"""The task that maintains open groups: when an asset drops out, others take over its part.

The keeper reads the state of a group off its parts and remembers nothing else, so that a restart
forgets nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import trio

from derhead.audit import AuditRecord
from derhead.dispatch.desk.dispatch_desk import DispatchDesk
from derhead.dispatch.desk.inputs import NotOpen, TooManyOpen
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.orders.order import DispatchGroup
from derhead.dispatch.sites.candidates import Candidates
from derhead.dispatch.sites.reallocation import AWAY, LOST, lost_assets, reallocate
from derhead.errors import JournalError
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)

CHECK_S = 0.5
"""Pause between two checks of the open groups."""

MAX_REALLOCATIONS = 16
"""Times that other assets take over in one group. When full, the power of further
dropouts stays missing and is shown: people should look at a site that fails so often."""

UNANSWERED_US = 60_000_000
"""How long a group is kept without parts: the desk may journal it after its caller hung up."""

FoundGroup = tuple[DispatchGroup, Sequence[Dispatch]]


class GroupStore(Protocol):
    """The part of the journal that sites use. Raises: JournalError."""

    async def open_groups(self) -> Sequence[DispatchGroup]: ...

    async def group(self, group_id: str) -> FoundGroup | None: ...

    async def write(self, *records: DispatchGroup | AuditRecord) -> None: ...


@dataclass(slots=True)
class _OpenGroup:
    """A group with at least one open part."""

    group: DispatchGroup
    parts: dict[str, Dispatch]
    settled: bool = False
    """Nothing is left to do unless something changes."""
    handled: frozenset[str] = frozenset()
    """The assets and parts that had dropped out at the last reallocation."""
    reallocations: int = 0
    away_since_us: dict[str, int] = field(default_factory=dict)


class GroupKeeper:
    """Maintains the groups that are open.

    Resource handling: ``run`` is its one task.
    """

    def __init__(
        self,
        desk: DispatchDesk,
        store: GroupStore,
        fleet: Fleet,
        candidates: Candidates,
        runtime: Runtime,
    ) -> None:
        self._desk = desk
        self._store = store
        self._fleet = fleet
        self._candidates = candidates
        self._wall_us = runtime.wall_us
        self._open: dict[str, _OpenGroup] = {}

    def keep(self, group: DispatchGroup, parts: Sequence[Dispatch]) -> None:
        """Maintains a group from now on."""
        # At most one group for each open dispatch, and the desk bounds those.
        self._open[group.id] = _OpenGroup(group, {part.id: part for part in parts})

    def drop(self, group_id: str) -> None:
        """Forgets a group that was not ordered after all."""
        del self._open[group_id]

    def update(self, group: DispatchGroup) -> None:
        """Takes over a group's changed record, if the group is open."""
        kept = self._open.get(group.id)
        if kept is not None:
            kept.group = group

    async def withdraw(
        self, dispatch_ids: Sequence[str], reason: str, by: str | None = None
    ) -> None:
        """Withdraws the dispatches that are still open. Raises: JournalError."""
        for dispatch_id in dispatch_ids:
            try:
                await self._desk.cancel(dispatch_id, reason, by=by)
            except NotOpen:
                # The dispatch has ended meanwhile.
                continue

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Loads the open groups and maintains them until cancelled.

        Raises: JournalError at the start. If the journal fails later, the keeper tries again.
        """
        for group in await self._store.open_groups():
            found = await self._store.group(group.id)
            if found is not None:
                self.keep(*found)
        task_status.started()
        while True:
            await trio.sleep(CHECK_S)
            for kept in list(self._open.values()):
                try:
                    await self._maintain(kept)
                except JournalError as error:
                    log.warning("group waits for the journal", group=kept.group.id, reason=error)

    async def _maintain(self, kept: _OpenGroup) -> None:
        changed = await self._refresh(kept)
        group, parts = kept.group, list(kept.parts.values())
        now_us = self._wall_us()
        if not parts and now_us < group.created_us + UNANSWERED_US:
            return
        if all(part.ended for part in parts):
            self._open.pop(group.id, None)
            return
        if group.cancelling is not None:
            # The headend restarted after the group was withdrawn, before its parts were.
            left = [part.id for part in parts if not part.ended and part.cancelling is None]
            await self.withdraw(left, group.cancelling, group.withdrawn_by)
            return
        self._note_absences(kept, now_us)
        if kept.settled and not changed and not kept.away_since_us:
            # The usual case.
            return
        kept.settled = False
        lost = lost_assets(parts, self._fleet.assets, kept.away_since_us, now_us)
        dropped = lost | {part.id for part in parts if part.state in LOST}
        if dropped != kept.handled:
            if kept.reallocations < MAX_REALLOCATIONS:
                await self._reallocate(kept, lost, now_us)
            kept.handled = dropped
        kept.settled = True

    async def _reallocate(self, kept: _OpenGroup, lost: frozenset[str], now_us: int) -> None:
        group = kept.group
        found = reallocate(
            group,
            list(kept.parts.values()),
            await self._candidates.of_site(group.site_id),
            lost=lost,
            busy=self._candidates.busy(group),
            now_us=now_us,
        )
        if found is None:
            return
        kept.reallocations += 1
        log.info(
            "assets take over from others of their group",
            group=group.id,
            site=group.site_id,
            assets=len(found.orders),
            lost=len(lost),
        )
        await self.withdraw(found.cancels, AWAY)
        if found.orders:
            try:
                new = await self._desk.order_all([(str(uuid4()), each) for each in found.orders])
            except TooManyOpen as full:
                log.warning("no asset takes over", group=group.id, site=group.site_id, reason=full)
            else:
                kept.parts.update({part.id: part for part in new})

    async def _refresh(self, kept: _OpenGroup) -> bool:
        """Brings the parts up to date. Reads the journal if one of them has ended.

        Returns whether anything changed.
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

    def _note_absences(self, kept: _OpenGroup, now_us: int) -> None:
        for part in kept.parts.values():
            if self._candidates.is_held(part.asset_id):
                kept.away_since_us.pop(part.asset_id, None)
            else:
                kept.away_since_us.setdefault(part.asset_id, now_us)
