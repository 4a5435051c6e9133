"""The judge with a store in memory: when it judges, and what it waits for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.transitions import State
from derhead.dispatch.verdicts.judging import (
    DISPATCHES_A_PAGE,
    READINGS_A_PAGE,
    Judge,
    clock_offset_us,
)
from derhead.dispatch.verdicts.verdict import Judged, Reading, ReadingRange, VerdictOutcome
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from derproto.der.v1 import QualityBit
from tests.support.assets import fleet_of, make_asset
from tests.support.epoch import T0, S

ASSET = make_asset()
FLEET = fleet_of(ASSET)


def ended(name: str = "d", start_s: float = -60.0, end_s: float = 0.0, **more: object) -> Dispatch:
    """1 MW that ran until ``end_s`` seconds after the test's start."""
    states = (
        StateChange(State.PENDING, T0 + round(start_s * S)),
        StateChange(State.STARTED, T0 + round(start_s * S)),
        StateChange(State.COMPLETED, T0 + round(end_s * S)),
    )
    dispatch = Dispatch(
        id=name,
        asset_id="a",
        mw=1.0,
        created_us=T0 + round(start_s * S),
        start_us=T0 + round(start_s * S),
        duration_us=round((end_s - start_s) * S),
        state=State.COMPLETED,
        states=states,
    )
    return replace(dispatch, **more)  # type: ignore[arg-type]


@dataclass
class Store:
    """Dispatches and readings in lists, sorted as the journal sorts them."""

    dispatches: list[Dispatch] = field(default_factory=list)
    rows: list[Reading] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    refusing: bool = False
    asked: int = 0

    async def unjudged(
        self, after: tuple[int, str] | None = None, *, limit: int
    ) -> Sequence[Dispatch]:
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise JournalError("it is read by no one")
        self.asked += 1
        found = [
            each
            for each in sorted(self.dispatches, key=lambda each: (each.created_us, each.id))
            if each.id not in self.verdicts and (each.created_us, each.id) > (after or (0, ""))
        ]
        return found[:limit]

    async def readings(
        self, ranges: Sequence[ReadingRange], *, limit: int
    ) -> Sequence[Sequence[Reading]]:
        await trio.lowlevel.checkpoint()
        newest_first = sorted(self.rows, key=lambda row: row.key, reverse=True)
        return [
            [
                row
                for row in newest_first
                if wanted.from_us <= row.key[0] < wanted.to_us
                and (wanted.before is None or row.key < wanted.before)
            ][:limit]
            for wanted in ranges
        ]

    async def write(self, *records: Judged) -> None:
        await trio.lowlevel.checkpoint()
        self.verdicts.update({record.dispatch_id: record.text for record in records})

    def measure(self, p_mw: float, from_s: float = -60, to_s: float = 0, step_s: float = 4) -> None:
        at_s, seq = from_s, len(self.rows)
        while at_s < to_s:
            self.rows.append(Reading((T0 + round(at_s * S), 1, seq), p_mw, 0))
            at_s, seq = at_s + step_s, seq + 1

    def outcome(self, name: str = "d") -> str | None:
        text = self.verdicts.get(name)
        return None if text is None else json.loads(text)["outcome"]


@dataclass
class Agents:
    """How much the agent has yet to deliver."""

    rows: int | None = 0

    def backlog(self, asset_id: str) -> int | None:
        return self.rows


@dataclass
class World:
    store: Store
    agents: Agents
    latest: LatestTable
    judge: Judge

    def hear(self, at_s: float, offset_s: float = 0.0, quality: int = 0) -> None:
        """A sample measured then, by a clock so much ahead."""
        received_us = T0 + round(at_s * S)
        self.latest.offer(
            Sample(
                "a",
                "agent",
                boot_id=1,
                seq=round(at_s * 1000) + 10**6,
                ts_us=received_us + round(offset_s * S),
                received_us=received_us,
                quality=quality,
            )
        )


@pytest.fixture
async def world() -> World:
    store, agents, latest = Store(), Agents(), LatestTable()
    runtime = virtual_runtime(T0)
    judge = Judge(store, FLEET, latest, agents, runtime, telemetry_period_s=4.0)
    return World(store, agents, latest, judge)


@pytest.fixture
async def judging(world: World, nursery: trio.Nursery) -> World:
    await nursery.start(world.judge.run)
    return world


async def test_an_ended_dispatch_is_judged_after_a_grace_period(
    judging: World, autojump_clock: MockClock
) -> None:
    store = judging.store
    store.dispatches = [ended()]
    store.measure(1.0)
    judging.hear(4)
    await trio.sleep(9.9)
    assert store.verdicts == {}
    await trio.sleep(4)
    assert store.outcome() == "achieved"
    verdict = json.loads(store.verdicts["d"])
    assert (verdict["covered"], verdict["samples"], verdict["final"]) == (1.0, 15, True)


async def test_a_dispatch_that_never_started_is_judged_without_telemetry(
    judging: World, autojump_clock: MockClock
) -> None:
    states = (StateChange(State.PENDING, T0 - S), StateChange(State.EXPIRED, T0))
    judging.store.dispatches = [ended(state=State.EXPIRED, states=states)]
    judging.agents.rows = None
    await trio.sleep(15)
    assert judging.store.outcome() == "unmeasured"


async def test_the_judge_waits_for_rows_in_an_outbox(
    judging: World, autojump_clock: MockClock
) -> None:
    store = judging.store
    store.dispatches = [ended()]
    judging.agents.rows = None
    await trio.sleep(200)
    assert store.verdicts == {}
    judging.agents.rows = 500
    await trio.sleep(100)
    assert store.verdicts == {}
    store.measure(1.0)
    await trio.sleep(40)
    assert store.outcome() == "achieved"


async def test_the_wait_for_telemetry_is_bounded(judging: World, autojump_clock: MockClock) -> None:
    judging.store.dispatches = [ended()]
    judging.agents.rows = None
    await trio.sleep(890)
    assert judging.store.verdicts == {}
    await trio.sleep(60)
    assert judging.store.outcome() == "unmeasured"


async def test_the_judge_does_not_wait_for_an_empty_outbox(
    judging: World, autojump_clock: MockClock
) -> None:
    judging.store.dispatches = [ended()]
    judging.hear(2)
    await trio.sleep(15)
    assert judging.store.outcome() == "unmeasured"


async def test_a_clock_that_is_hours_off_is_corrected(
    judging: World, autojump_clock: MockClock
) -> None:
    judging.store.dispatches = [ended()]
    judging.store.measure(1.0, from_s=3 * 3600 - 60, to_s=3 * 3600)
    judging.hear(2, offset_s=3 * 3600)
    await trio.sleep(15)
    assert judging.store.outcome() == "achieved"


async def test_samples_of_a_silent_device_do_not_count(
    judging: World, autojump_clock: MockClock
) -> None:
    stale = int(QualityBit.STALE_DEVICE)
    judging.store.dispatches = [ended()]
    judging.store.measure(1.0)
    judging.store.rows = [replace(row, quality=stale) for row in judging.store.rows]
    judging.hear(2)
    await trio.sleep(15)
    assert judging.store.outcome() == "unmeasured"


async def test_a_long_window_is_read_page_by_page(
    judging: World, autojump_clock: MockClock
) -> None:
    length_s = 4 * (2 * READINGS_A_PAGE + 10)
    judging.store.dispatches = [ended(start_s=-length_s)]
    judging.store.measure(1.05, from_s=-length_s)
    judging.hear(2)
    await trio.sleep(15)
    verdict = json.loads(judging.store.verdicts["d"])
    assert verdict["samples"] == 2 * READINGS_A_PAGE + 10
    assert verdict["mean_error_mw"] == pytest.approx(0.05)
    assert verdict["within_tolerance_ms"] == 0


async def test_many_dispatches_are_judged_page_by_page(
    judging: World, autojump_clock: MockClock
) -> None:
    number = 3 * DISPATCHES_A_PAGE + 5
    judging.store.dispatches = [ended(f"d{n:04}", start_s=-0.1) for n in range(number)]
    judging.hear(2)
    await trio.sleep(15)
    assert len(judging.store.verdicts) == number


async def test_a_dispatch_of_a_removed_asset_gets_an_empty_verdict(
    judging: World, autojump_clock: MockClock
) -> None:
    judging.store.dispatches = [ended(asset_id="gone")]
    await trio.sleep(15)
    assert judging.store.verdicts == {"d": "{}"}


async def test_the_judge_tries_again_while_the_journal_fails(
    judging: World, autojump_clock: MockClock
) -> None:
    judging.store.dispatches = [ended(start_s=-0.1)]
    judging.hear(2)
    judging.store.refusing = True
    await trio.sleep(60)
    assert judging.store.verdicts == {}
    judging.store.refusing = False
    await trio.sleep(10)
    assert judging.store.outcome() == "unmeasured"


# --- so far ---------------------------------------------------------------------------------


async def test_a_running_dispatch_has_a_provisional_verdict(
    world: World, autojump_clock: MockClock
) -> None:
    running = ended(state=State.STARTED, states=ended().states[:2], duration_us=None)
    world.store.measure(1.0)
    verdict = await world.judge.provisional(running)
    assert verdict is not None
    assert (verdict.outcome, verdict.final, verdict.samples) == (VerdictOutcome.ACHIEVED, False, 15)
    assert world.store.verdicts == {}


async def test_a_long_dispatch_is_judged_by_its_newest_readings(
    world: World, autojump_clock: MockClock
) -> None:
    length_s = 4 * 3 * READINGS_A_PAGE
    running = ended(start_s=-length_s, duration_us=None)
    running = replace(running, state=State.STARTED, states=running.states[:2])
    world.store.measure(1.0, from_s=-length_s)
    verdict = await world.judge.provisional(running)
    assert verdict is not None
    assert (verdict.samples, verdict.covered) == (READINGS_A_PAGE, 1.0)
    assert verdict.within_tolerance_ms is None


async def test_a_removed_asset_has_no_provisional_verdict(
    world: World, autojump_clock: MockClock
) -> None:
    assert await world.judge.provisional(ended(asset_id="gone")) is None
    waiting = ended(state=State.PENDING, states=ended().states[:1])
    verdict = await world.judge.provisional(waiting)
    assert verdict is not None
    assert verdict.outcome is VerdictOutcome.UNMEASURED


def test_samples_that_show_a_clock_offset() -> None:
    live = Sample("a", "agent", 1, 1, ts_us=T0 + 5 * S, received_us=T0)
    assert clock_offset_us(live) == 5 * S
    assert clock_offset_us(replace(live, ts_us=T0 - 200_000)) == 0
    assert clock_offset_us(replace(live, quality=int(QualityBit.BACKFILLED))) == 0
    assert clock_offset_us(None) == 0
