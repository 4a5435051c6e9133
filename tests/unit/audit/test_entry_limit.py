"""How many like entries the audit trail takes, and what it tells of the others."""

from dataclasses import replace

from derhead.audit.entry_limit import ENTRIES_A_PERIOD, ENTRY_KINDS, PERIOD_S, EntryLimit
from derhead.audit.records import AuditAction, AuditRecord
from tests.support.history.records import entry

REFUSED = replace(entry(action=AuditAction.ORDER_REFUSED, caller=None), peer="192.0.2.7")
MOST = ENTRIES_A_PERIOD


def taken(limit: EntryLimit, *entries: AuditRecord, reason: str = "422", now_s: float = 0.0) -> int:
    return sum(limit.admits(each, reason, now_s) for each in entries)


def test_like_entries_are_left_out_and_counted_once() -> None:
    limit = EntryLimit()
    entries = [replace(REFUSED, id=str(n)) for n in range(MOST + 500)]
    assert taken(limit, *entries) == MOST
    assert limit.take_left_out(PERIOD_S - 0.1) == []
    assert limit.take_left_out(PERIOD_S) == [(entries[-1], 500)]
    assert limit.take_left_out(PERIOD_S) == []
    assert taken(limit, REFUSED, now_s=PERIOD_S) == 1


def test_other_reasons_actions_and_callers_have_allowances_of_their_own() -> None:
    limit = EntryLimit()
    taken(limit, *[REFUSED] * MOST)
    assert not limit.admits(REFUSED, "422", 1.0)
    assert limit.admits(REFUSED, "404", 1.0)
    assert limit.admits(replace(REFUSED, action=AuditAction.WITHDRAWAL_REFUSED), "422", 1.0)
    assert limit.admits(replace(REFUSED, peer="192.0.2.8"), "422", 1.0)
    assert limit.admits(replace(REFUSED, caller="anna"), "422", 1.0)
    elsewhere = replace(REFUSED, site_id="site-2")
    assert limit.admits(elsewhere, "422", 1.0)
    taken(limit, *[elsewhere] * (MOST + 6), now_s=1.0)
    assert [(each.site_id, count) for each, count in limit.take_left_out(PERIOD_S + 1.0)] == [
        ("site-1", 1),
        ("site-2", 7),
    ], "each site reads the count of its own entries"


def test_a_caller_is_the_same_from_any_address_and_a_stranger_from_any_of_its_network() -> None:
    limit = EntryLimit()
    named = [replace(REFUSED, caller="anna", peer=f"192.0.2.{n}") for n in range(MOST + 1)]
    assert taken(limit, *named) == MOST
    network = [replace(REFUSED, peer=f"[2001:db8::{n:x}]:{n + 1}") for n in range(MOST + 1)]
    assert taken(limit, *network) == MOST
    ports = [replace(REFUSED, peer=f"192.0.2.99:{n + 1}") for n in range(MOST + 1)]
    assert taken(limit, *ports) == MOST


def test_ever_more_callers_share_an_allowance_and_take_no_more_memory() -> None:
    limit = EntryLimit()
    many = [replace(REFUSED, peer=f"198.51.{n >> 8}.{n & 255}") for n in range(10_000)]
    assert taken(limit, *many) == ENTRY_KINDS + MOST
    assert limit.take_left_out(PERIOD_S) == [
        (replace(many[-1], site_id=None), 10_000 - ENTRY_KINDS - MOST)
    ]
    assert taken(limit, *many[:ENTRY_KINDS], now_s=PERIOD_S) == ENTRY_KINDS
