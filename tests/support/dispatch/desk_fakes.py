"""A journal and sessions for the desk, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from derhead.dispatch import Dispatch, State
from derhead.dispatch.desk.inputs import OrderRecord
from derhead.errors import JournalError


@dataclass
class Store:
    """Keeps dispatches in a dict, and refuses when told to."""

    kept: dict[str, Dispatch] = field(default_factory=dict)
    others: list[OrderRecord] = field(default_factory=list)
    refusing: bool = False
    writes: int = 0
    busy_s: float = 0.0

    async def write(self, *records: Dispatch | OrderRecord) -> None:
        await trio.sleep(self.busy_s)
        if self.refusing:
            raise JournalError("disk full")
        self.writes += 1
        for record in records:
            if isinstance(record, Dispatch):
                self.kept[record.id] = record
            else:
                self.others.append(record)

    async def open_dispatches(self) -> Sequence[Dispatch]:
        await trio.lowlevel.checkpoint()
        return [dispatch for dispatch in self.kept.values() if not dispatch.ended]


@dataclass
class Link:
    """A session that notes what it is told to send."""

    session_id: str
    granted: tuple[str, ...] = ("a",)
    sent: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    store: Store | None = None
    room: int = 1000
    asked: bool = False

    @property
    def setpoint_room(self) -> int:
        return self.room - len(self.sent) - len(self.cancelled)

    def ask_for_room_nowait(self) -> None:
        self.asked = True

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        if self.store is not None:
            # Effects come second: the journal has it by now.
            assert self.store.kept[dispatch_id].state is State.SENT
        self.sent.append(dispatch_id)

    def send_cancel_nowait(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        assert asset_id
        if self.store is not None and dispatch_id in self.store.kept:
            assert self.store.kept[dispatch_id].cancelling == reason
        self.cancelled.append(dispatch_id)
