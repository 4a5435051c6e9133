"""Telemetry and gap reports of a session, and their acknowledgements."""

from collections.abc import Callable, Sequence

import pytest
from grpclib import Status
from trio.testing import wait_all_tasks_blocked

from derhead.gaps import GapRecord, HoleCause
from derhead.telemetry import Sample, SampleBlock
from derproto.codec import TelemetryColumns
from derproto.der.v1 import (
    AgentMessage,
    DeviceHealth,
    DispatchReport,
    GapCause,
    GapReport,
    GoodbyeReason,
    Heartbeat,
    RefusalReason,
    Register,
)
from tests.stream.sessions.bench import A1, A2, OWNED, UNKNOWN, Bench, receive, status_of, telemetry
from tests.support.columns import message_of
from tests.support.epoch import T0


async def test_telemetry_is_seen_at_once_and_acknowledged_when_durable(bench: Bench) -> None:
    bench.store.hold_acks = True
    async with bench.welcomed() as stream:
        await stream.send_message(telemetry(1, 0, 1))
        await stream.send_message(telemetry(3, 0, p_mw=-0.5))
        await wait_all_tasks_blocked()
        sample = bench.latest.get(A1)
        assert sample is not None
        assert (sample.p_mw, sample.seq) == (-0.5, 3)
        for on_durable in bench.store.waiting:
            on_durable()
        ack = await receive(stream, "telemetry_ack")
        assert ack.boot_id == 7
        assert [(r.first, r.last) for r in ack.durable] == [(1, 3)]


async def test_telemetry_keeps_its_rows_and_no_unknown_field(bench: Bench) -> None:
    """A row that brings a megabyte of unknown fields weighs no more than another."""
    blocks: list[SampleBlock] = []

    def append(
        samples: Sequence[Sample], on_durable: Callable[[], None], gaps: Sequence[GapRecord] = ()
    ) -> bool:
        assert isinstance(samples, SampleBlock)
        blocks.append(samples)
        return True

    bench.store.append_telemetry_nowait = append  # type: ignore[method-assign]
    async with bench.welcomed() as stream:
        heavy = telemetry(1, 0)
        assert heavy.telemetry is not None
        # Field 15, and a length.
        heavy.telemetry._unknown_fields = b"\x7a\x80\x89\x7a" + bytes(2_000_000)
        await stream.send_message(heavy)
        await wait_all_tasks_blocked()
        sample = bench.latest.get(A1)
    assert sample is not None
    (block,) = blocks
    assert isinstance(block.columns, TelemetryColumns)
    assert message_of(block.columns)._unknown_fields == b""


async def test_rows_of_a_refused_asset_are_refused_in_the_ack(bench: Bench) -> None:
    async with bench.welcomed("x", UNKNOWN, A2) as stream:
        await stream.send_message(telemetry(1, 0, 0))
        ack = await receive(stream, "telemetry_ack")
        assert [(r.rows.first, r.rows.last, r.reason) for r in ack.refused] == [
            (1, 2, RefusalReason.ASSET_REFUSED)
        ]
        await stream.send_message(telemetry(3, 1))
        ack = await receive(stream, "telemetry_ack")
        assert [(r.first, r.last) for r in ack.durable] == [(3, 3)]
    assert [sample.asset_id for sample in bench.store.samples] == [A2]


async def test_an_index_never_assigned_ends_the_session(bench: Bench) -> None:
    async with bench.welcomed() as stream:
        await stream.send_message(telemetry(1, 2))
        goodbye = await receive(stream, "goodbye")
        assert goodbye.reason is GoodbyeReason.PROTOCOL_ERROR
        status, message = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    assert message == "telemetry.asset_index: 2 was never assigned; 0 to 1 were"
    assert bench.store.ends() == [("x", "protocol error")]


@pytest.mark.parametrize(
    "message",
    [
        AgentMessage(heartbeat=Heartbeat(devices=[DeviceHealth(asset_index=9)])),
        AgentMessage(dispatch_report=DispatchReport(dispatch_id=A1, asset_index=9)),
        AgentMessage(gap_report=GapReport(boot_id=7, number=1, asset_index=9)),
    ],
)
async def test_so_does_one_in_any_other_message(bench: Bench, message: AgentMessage) -> None:
    async with bench.welcomed() as stream:
        await stream.send_message(message)
        status, detail = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    assert detail is not None
    assert "9 was never assigned" in detail


async def test_unknown_kinds_and_a_second_register_are_counted_and_ignored(bench: Bench) -> None:
    async with bench.welcomed() as stream:
        await stream.send_message(AgentMessage())
        await stream.send_message(AgentMessage(register=Register(agent_id="y")))
        await stream.send_message(telemetry(1, 0))
        await receive(stream, "telemetry_ack")
        (session,) = bench.sessions.live
        assert session.ignored == 2


def gap_report(number: int, index: int, cause: GapCause = GapCause.OVERFLOW) -> AgentMessage:
    return AgentMessage(
        gap_report=GapReport(
            boot_id=5,
            number=number,
            revision=2,
            asset_index=index,
            cause=cause,
            start_us=T0,
            end_us=T0 + 1,
            rows=3,
        )
    )


async def test_a_gap_is_acknowledged_once_it_is_durable(bench: Bench) -> None:
    bench.store.hold_acks = True
    async with bench.welcomed() as stream:
        await stream.send_message(gap_report(1, 1))
        await wait_all_tasks_blocked()
        ((asset_id, start_us, cause),) = (
            (gap.asset_id, gap.start_us, gap.cause) for gap in bench.store.gaps
        )
        assert (asset_id, start_us, cause) == (A2, T0, HoleCause.OVERFLOW)
        (on_durable,) = bench.store.waiting
        on_durable()
        ack = await receive(stream, "telemetry_ack")
        assert (ack.boot_id, [(gap.number, gap.revision) for gap in ack.gaps]) == (5, [(1, 2)])


async def test_a_gap_of_no_use_is_acknowledged_too_and_not_kept(bench: Bench) -> None:
    async with bench.welcomed("x", A1, UNKNOWN) as stream:
        for number, report in enumerate(
            (gap_report(1, 1), gap_report(2, 0, GapCause.UNSPECIFIED)), 1
        ):
            await stream.send_message(report)
            ack = await receive(stream, "telemetry_ack")
            assert [gap.number for gap in ack.gaps] == [number]
        (session,) = bench.sessions.live
        assert session.ignored == 2
    assert bench.store.gaps == []


async def test_an_agent_may_tell_of_an_asset_that_another_holds_by_now(bench: Bench) -> None:
    async with bench.agent("x", A1) as holder, bench.agent("y", OWNED, A1) as stream:
        await receive(holder, "welcome")
        await receive(stream, "welcome")
        await stream.send_message(gap_report(1, 0))
        await receive(stream, "telemetry_ack")
        assert bench.store.gaps == []
        await stream.send_message(gap_report(2, 1, GapCause.REFUSED))
        await receive(stream, "telemetry_ack")
        assert [(gap.asset_id, gap.agent_id) for gap in bench.store.gaps] == [(A1, "y")]
