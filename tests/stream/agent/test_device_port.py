"""What a device says besides its power reaches the agent's log, its orders and their reports."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import Health, Limits, LocalControlError, Measurement, Nameplate
from deragent.event_lines import EventKind
from derproto.der.v1 import DispatchReason
from tests.stream.agent.conftest import Bench
from tests.stream.agent.fakes import (
    COMPLETED,
    FAILED,
    RECEIVED,
    REJECTED,
    STARTED,
    FakeDevice,
    plan,
)


async def test_someone_at_the_site_ends_the_order_and_gives_control_back(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    device = bench.devices[0]
    await session.order("a", 1.5)
    await trio.sleep(10)
    device.reading = replace(device.reading, local=True)
    await trio.sleep(10)
    await session.order("b", 1.0)
    await trio.sleep(60)
    assert session.states == [RECEIVED, STARTED, FAILED, RECEIVED, REJECTED]
    reasons = [report.reason for _, report in session.reports]
    assert reasons[2] is reasons[4] is DispatchReason.LOCAL
    # Nobody argues with a person at the device.
    assert [mw for _, mw in device.told] == [1.5]
    device.reading = replace(device.reading, local=False)
    await trio.sleep(10)
    await session.order("c", 0.5)
    await trio.sleep(10)
    assert [mw for _, mw in device.told] == [1.5, 0.0, 0.5]
    kinds = [event.kind for event in bench.events if event.kind.startswith("device_")]
    assert kinds == [EventKind.DEVICE_LOCAL, EventKind.DEVICE_REMOTE]


async def test_a_device_that_refuses_under_local_control_is_not_asked_again(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    device, asked = bench.devices[0], []

    async def refuse(mw: float, ramp_mw_per_s: float | None = None) -> float:
        await trio.lowlevel.checkpoint()
        asked.append(mw)
        raise LocalControlError("key switch is at local")

    device.apply = refuse  # type: ignore[method-assign]
    await session.order("a", 1.5, seconds=60)
    await trio.sleep(4)
    assert session.states == [RECEIVED, REJECTED]
    _, report = session.reports[-1]
    assert (report.reason, report.detail) == (DispatchReason.LOCAL, "key switch is at local")
    assert asked == [1.5, 0.0]


async def test_a_fault_is_told_in_words_and_when_it_is_over(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_session()
    device = bench.devices[0]
    for fault in ("fan 2 is slow", "fan 2 is slow", "fan 2 stands still"):
        device.reading = Measurement(health=Health.DEGRADED, fault=fault)
        await trio.sleep(8)
    device.reading = Measurement()
    await trio.sleep(8)
    faults = bench.details(EventKind.DEVICE_FAULT)
    assert [detail["reason"] for detail in faults] == ["fan 2 is slow", "fan 2 stands still"]
    assert len(bench.details(EventKind.DEVICE_BACK)) == 1


async def test_a_device_is_asked_what_it_is_whenever_it_begins_to_answer(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_session()
    device = bench.devices[0]
    device.nameplate = Nameplate("Acme", "B-2", "0042", rated_mw=2.0)
    await trio.sleep(20)
    device.broken = True
    await trio.sleep(20)
    # Another one stands in its place.
    device.nameplate = Nameplate("Acme", "B-1", "0007", rated_mw=1.0)
    device.broken = False
    await trio.sleep(20)
    told = bench.details(EventKind.DEVICE_IDENTIFIED)
    assert [(detail["model"], detail["serial"]) for detail in told] == [
        ("B-2", "0042"),
        ("B-1", "0007"),
    ]
    (differs,) = bench.details(EventKind.NAMEPLATE_DIFFERS)
    assert (differs["rated_mw"], differs["device_mw"]) == (2.0, 1.0)


async def test_limits_that_a_device_learns_later_hold_from_the_next_order(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    device = bench.devices[0]
    device.accepted = Limits(-0.5, 5.0)
    await trio.sleep(8)
    for dispatch_id, mw in (("a", -1.0), ("b", 2.5), ("c", 2.0)):
        await session.order(dispatch_id, mw, seconds=1)
    await trio.sleep(8)
    # The asset's own limit of 2 MW holds besides.
    assert session.states == [REJECTED, REJECTED, RECEIVED, STARTED, COMPLETED]


async def test_a_device_runs_until_it_was_told_its_default(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async with trio.open_nursery() as bench.nursery:
        session = await bench.start_session()
        device: FakeDevice = bench.devices[0]
        device.slow_s = 0.5
        await session.order("a", 1.0)
        await trio.sleep(5)
        assert device.running == 1
        bench.nursery.cancel_scope.cancel()
    assert [mw for _, mw in device.told] == [1.0, 0.0]
    assert (device.running, device.told_alone) == (0, 0)


async def test_a_bug_in_a_devices_own_task_ends_the_agent_loudly(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async def fail() -> None:
        await trio.sleep(5)
        raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with trio.open_nursery() as bench.nursery:
            device = await bench.devices.open(plan().assets[0], bench.runtime)
            device.run = fail  # type: ignore[method-assign]
            session = await bench.start_session()
            await session.order("a", 1.0)
            await trio.sleep_forever()
    assert [mw for _, mw in device.told] == [1.0, 0.0]
