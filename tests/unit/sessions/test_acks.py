"""Acknowledgements conflate, and none is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.sessions.streams import acks as acks_module
from derhead.sessions.streams.acks import MAX_RANGES, RANGES_WAITING, PendingAcks
from derhead.telemetry import RefusedRows
from derproto.der.v1 import RefusalReason


def test_ranges_that_touch_merge() -> None:
    acks = PendingAcks()
    acks.add(7, [(1, 10)])
    acks.add(7, [(11, 20)])
    acks.add(7, [(30, 31)], [RefusedRows(21, 29, RefusalReason.ASSET_REFUSED)])
    message = acks.take()
    assert message is not None
    assert message.boot_id == 7
    assert [(r.first, r.last) for r in message.durable] == [(1, 20), (30, 31)]
    assert [(r.rows.first, r.rows.last) for r in message.refused if r.rows] == [(21, 29)]
    assert message.refused[0].reason is RefusalReason.ASSET_REFUSED
    assert acks.take() is None
    assert not acks


def test_an_acknowledgement_holds_one_boot() -> None:
    acks = PendingAcks()
    acks.add(1, [(5, 5)])
    acks.add(2, [], [RefusedRows(1, 1, RefusalReason.ASSET_REFUSED)])
    assert bool(acks)
    first, second = acks.take(), acks.take()
    assert first is not None
    assert second is not None
    assert {first.boot_id, second.boot_id} == {1, 2}
    assert acks.take() is None


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 10_000), st.integers(0, 5))))
def test_every_row_is_acknowledged_once(runs: list[tuple[int, int, int]]) -> None:
    acks = PendingAcks()
    said: list[tuple[int, int]] = []
    for boot, first, more in runs:
        acks.add(boot, [(first, first + more)])
    while (message := acks.take()) is not None:
        assert len(message.durable) <= MAX_RANGES
        said += [(message.boot_id, n) for r in message.durable for n in range(r.first, r.last + 1)]
    assert sorted(said) == sorted(
        (boot, n) for boot, first, more in runs for n in range(first, first + more + 1)
    )


def test_many_ranges_take_several_messages() -> None:
    acks = PendingAcks()
    acks.add(1, [(2 * n, 2 * n) for n in range(1, MAX_RANGES + 2)])
    first, second = acks.take(), acks.take()
    assert first is not None
    assert second is not None
    assert (len(first.durable), len(second.durable)) == (MAX_RANGES, 1)


def test_waiting_ranges_are_counted() -> None:
    acks = PendingAcks()
    # Merges: however many, one range.
    acks.add(7, [(seq, seq) for seq in range(1, 2 * RANGES_WAITING)])
    assert not acks.too_many
    acks.add(7, [(10 * seq, 10 * seq) for seq in range(RANGES_WAITING, 2 * RANGES_WAITING)])
    assert acks.too_many
    assert acks.take() is not None
    assert not acks.too_many
    refused = [RefusedRows(seq, seq, RefusalReason.ASSET_REFUSED) for seq in range(MAX_RANGES)]
    acks.add(8, (), refused)
    acks.add(8, (), refused[:2])
    assert acks.too_many
    while acks.take() is not None:
        pass
    acks.add(7, [(1, 1)])
    assert not acks.too_many


def test_reports_of_gaps_are_acknowledged_by_boot_and_by_their_newest_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acks_module, "MAX_RANGES", 2)
    acks = PendingAcks()
    acks.add(1, [(1, 5)])
    acks.add_gap(1, 7, 2)
    acks.add_gap(1, 7, 1)
    for number in (1, 2, 3):
        acks.add_gap(2, number, 1)
    assert acks
    found = []
    while (ack := acks.take()) is not None:
        found.append((ack.boot_id, [(gap.number, gap.revision) for gap in ack.gaps]))
    assert found == [(1, [(7, 2)]), (2, [(1, 1), (2, 1)]), (2, [(3, 1)])]
    assert not acks
