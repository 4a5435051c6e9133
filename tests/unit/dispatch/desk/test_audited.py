"""Entries of the audit trail are written in the commit of what they tell of."""

import json
from dataclasses import replace

import pytest

from derhead.audit import AuditAction, AuditRecord, Caller, audit_record
from derhead.dispatch import AssetOrder, DispatchDesk, NotOpen, State, of_order
from derhead.errors import JournalError
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import T0

ANNA = Caller("192.0.2.7", "r-1", "anna")


def ordered(dispatch_id: str, order: AssetOrder) -> AuditRecord:
    return of_order(audit_record(AuditAction.ORDER, ANNA, T0), dispatch_id, "site", order)


def withdrawn(dispatch_id: str) -> AuditRecord:
    return audit_record(AuditAction.WITHDRAWAL, ANNA, T0, target=dispatch_id, detail="by hand")


async def test_an_order_and_its_entry_are_one_write(desk: DispatchDesk, store: Store) -> None:
    order = AssetOrder("a", 1.5, duration_us=60, dry_run=False)
    entry = ordered("d", order)
    await desk.order_all([("d", order)], entry)
    assert store.writes == 1
    assert store.others == [entry]
    assert (entry.target, entry.caller, entry.peer, entry.before) == (
        "d",
        "anna",
        "192.0.2.7",
        None,
    )
    assert entry.after is not None
    assert json.loads(entry.after) == {
        "asset_id": "a",
        "mw": 1.5,
        "duration_us": 60,
        "priority": 128,
    }


async def test_an_order_that_is_not_stored_leaves_no_entry(
    desk: DispatchDesk, store: Store
) -> None:
    store.refusing = True
    order = AssetOrder("a", 1.5)
    with pytest.raises(JournalError):
        await desk.order_all([("d", order)], ordered("d", order))
    assert store.others == []


async def test_a_withdrawal_tells_what_it_changed(desk: DispatchDesk, store: Store) -> None:
    await desk.order_all([("d", AssetOrder("a", 1.5))])
    await desk.cancel("d", "by hand", withdrawn("d"))
    (entry,) = store.others
    assert isinstance(entry, AuditRecord)
    assert entry.before == '{"state": "pending"}'
    assert entry.after == '{"state": "cancelled"}'
    assert store.kept["d"].state is State.CANCELLED


async def test_only_the_first_of_two_withdrawals_changes_anything(
    desk: DispatchDesk, store: Store
) -> None:
    desk.session_opened_nowait(Link("s", store=store), [])
    dispatch = (await desk.order_all([("d", AssetOrder("a", 1.5))]))[0]
    assert dispatch.state is State.SENT
    for _ in range(2):
        await desk.cancel("d", "by hand", withdrawn("d"))
    (entry,) = store.others
    assert isinstance(entry, AuditRecord)
    assert entry.before == '{"state": "sent"}'
    assert entry.after == '{"state": "sent", "cancelling": "by hand"}'


async def test_a_withdrawal_of_nothing_leaves_no_entry(desk: DispatchDesk, store: Store) -> None:
    with pytest.raises(NotOpen):
        await desk.cancel("d", "by hand", withdrawn("d"))
    assert store.others == []


async def test_a_dispatch_whose_asset_was_removed_ends_with_an_entry(
    desk: DispatchDesk, store: Store
) -> None:
    await desk.order_all([("d", AssetOrder("a", 1.5)), ("kept", AssetOrder("b", 1.0))])
    desk.fleet_changed_nowait((), {"a": "site"})
    await desk.flush()
    assert store.writes == 2, "the dispatch and its entry are one write"
    (entry,) = store.others
    assert isinstance(entry, AuditRecord)
    assert (entry.action, entry.target, entry.site_id, entry.caller) == (
        AuditAction.CANCELLATION,
        "d",
        "site",
        None,
    )
    assert entry.detail == "its asset was removed from assets.yaml"
    assert entry.before == '{"asset_id": "a", "state": "pending"}'
    assert entry.after == '{"asset_id": "a", "state": "cancelled"}'
    assert store.kept["kept"].state is State.PENDING


async def test_an_order_to_a_removed_asset_tells_of_both(desk: DispatchDesk, store: Store) -> None:
    desk.fleet_changed_nowait((), {"a": "site"})
    order = AssetOrder("a", 1.5)
    (dispatch,) = await desk.order_all([("d", order)], ordered("d", order))
    assert dispatch.state is State.CANCELLED
    assert [
        (entry.action, entry.target, entry.site_id)
        for entry in store.others
        if isinstance(entry, AuditRecord)
    ] == [(AuditAction.ORDER, "d", "site"), (AuditAction.CANCELLATION, "d", "site")]


def test_an_entry_leaves_out_what_is_unknown() -> None:
    entry = withdrawn("d").of_change({}, {"state": "sent", "cancelling": None})
    assert (entry.before, entry.after) == ("{}", '{"state": "sent"}')
    assert replace(entry, before=None, after=None) == entry.of_change(None, None)
