"""The audit trail counts what it leaves out, also at its end."""

import json

import trio
from trio.testing import MockClock

from derhead.audit import AuditAction, AuditTrail, Caller
from derhead.audit.entry_limit import ENTRIES_A_PERIOD, PERIOD_S
from derproto.base.runtime import virtual_runtime
from tests.support.audit_notes import AuditNotes
from tests.support.epoch import T0, S

STRANGER = Caller("192.0.2.7", "r-1")


async def test_a_flood_is_told_in_one_entry(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    notes = AuditNotes()
    trail = AuditTrail(notes, virtual_runtime(T0))
    nursery.start_soon(trail.run)
    for n in range(ENTRIES_A_PERIOD + 7):
        trail.note(AuditAction.ORDER_REFUSED, STRANGER, "422", detail=f"bad {n}")
    await trio.sleep(2 * PERIOD_S + 1)
    *_, told = notes.entries
    assert len(notes.entries) == ENTRIES_A_PERIOD + 1
    assert (told.action, told.peer, told.request_id) == (
        AuditAction.ORDER_REFUSED,
        "192.0.2.7",
        "r-1",
    )
    assert told.detail == "7 more like it within 60 s; the last: bad 16"
    assert told.at_us - notes.entries[0].at_us <= 2 * PERIOD_S * S
    assert json.loads(told.after or "") == {"left_out": 7}


async def test_the_count_is_not_lost_when_the_headend_stops(autojump_clock: MockClock) -> None:
    notes = AuditNotes()
    trail = AuditTrail(notes, virtual_runtime(T0))
    async with trio.open_nursery() as stopping:
        stopping.start_soon(trail.run)
        await trio.sleep(1)
        for _ in range(ENTRIES_A_PERIOD + 1):
            trail.note(AuditAction.ORDER_REFUSED, STRANGER, "422")
        stopping.cancel_scope.cancel()
    assert json.loads(notes.entries[-1].after or "") == {"left_out": 1}
