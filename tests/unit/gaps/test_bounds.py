"""Bounds of the ledger, and its behaviour when the clock is set."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import trio
from trio.testing import MockClock

from derhead.gaps import GapLedger, GapRecord, HoleCause, asset_holes
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0, S
from tests.support.watched_asset import ASSET, LIMITS, Headend


def test_the_holes_of_an_asset_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_holes, "HOLES_KEPT", 2)
    headend = Headend()
    headend.connect()
    for start_s in (0, 100, 200, 300):
        headend.live(start_s, start_s + 8)
    assert len(headend.shown()) == 3
    headend.backfill(12, 96)
    headend.backfill(112, 196)
    assert [(start, filled) for start, _, _, filled in headend.shown()] == [
        (8, None),
        (108, 200),
        (208, None),
    ]


def test_the_gap_reports_of_an_asset_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_holes, "REPORTS_KEPT", 2)
    headend = Headend()
    headend.connect()
    headend.live(0, 8)
    headend.disconnect()
    headend.wait(100)
    headend.connect()
    for number, start_s in enumerate((12, 36, 60), 1):
        headend.tell(HoleCause.OVERFLOW, start_s, start_s + 20, number=number)
    assert [cause for _, _, cause, _ in headend.shown()].count("overflow") == 3


def test_a_reopened_stream_is_not_a_restart() -> None:
    headend = Headend()
    headend.connect()
    headend.live(0, 8)
    headend.disconnect(HoleCause.AGENT_RESTART)
    headend.wait(60)
    assert headend.shown() == [(8, None, "agent_restart", None)]
    headend.connect()
    headend.sample(60)
    assert headend.shown() == [(8, 60, "link", None)]


def test_older_and_repeated_gap_reports_change_nothing() -> None:
    headend = Headend()
    headend.connect()
    headend.live(0, 8)
    headend.tell(HoleCause.DEVICE, 8, 20, revision=2)
    for revision in (2, 1):
        headend.tell(HoleCause.DEVICE, 8, None if revision == 1 else 20, revision=revision)
    assert headend.shown() == [(8, 20, "device", None)]


@dataclass
class Notes:
    records: list[GapRecord] = field(default_factory=list)

    def note(self, record: GapRecord) -> None:
        self.records.append(record)


def silent(received_us: int) -> Sequence[Sample]:
    return [Sample(ASSET.id, "x", 1, 1, received_us, received_us)]


async def test_silence_counts_anew_after_a_start_or_a_set_clock(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    ahead_us = 0
    runtime = virtual_runtime(T0)
    true_us = runtime.wall_us
    runtime = replace(runtime, wall_us=lambda: true_us() + ahead_us)
    latest, notes = LatestTable(), Notes()
    latest.fill(silent(T0 - 3600 * S))
    ledger = GapLedger([ASSET.id], latest, notes, LIMITS, runtime)
    ledger.restore(())
    nursery.start_soon(ledger.run)
    await trio.sleep(6.5)
    ahead_us = 3600 * S
    await trio.sleep(9)
    assert notes.records == []
    await trio.sleep(4)
    (lasting,) = notes.records
    assert (lasting.start_us, lasting.end_us) == (T0 - 3600 * S, None)
    assert lasting.cause is HoleCause.HEADEND_RESTART
    nursery.cancel_scope.cancel()
