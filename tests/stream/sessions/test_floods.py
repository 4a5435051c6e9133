"""What one client can do to a headend's sessions: counted in places, rows and waits."""

import trio
from grpclib import Status
from trio.testing import MockClock

from derhead.sessions import SessionLimits
from derproto.der.v1 import AgentMessage, Heartbeat
from derproto.triogrpc import LinkLimits, NewcomerLimits
from tests.stream.sessions.bench import A1, A2, UNKNOWN, receive, start_bench, status_of

LINKS = LinkLimits(max_connections=4, newcomers=NewcomerLimits(max_message_bytes=1000))


async def test_connections_that_never_register_give_way_to_agents(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    bench = await start_bench(nursery, link_limits=LINKS)
    async with trio.open_nursery() as streams:
        for _ in range(LINKS.max_connections):
            await bench.network.connect("headend")
        for name in "wxyz":

            async def live(agent_id: str = name) -> None:
                async with bench.agent(agent_id, UNKNOWN) as stream:
                    await receive(stream, "welcome")
                    await trio.sleep(20)

            streams.start_soon(live)
        await trio.sleep(15)
        assert len(bench.sessions.live) == LINKS.max_connections


async def test_a_first_message_is_small_and_later_ones_are_not(nursery: trio.Nursery) -> None:
    bench = await start_bench(nursery, link_limits=LINKS)
    async with bench.agent("x", software_version="v" * 1000) as stream:
        status, message = await status_of(stream)
    assert status is Status.RESOURCE_EXHAUSTED
    assert message is not None
    assert message.endswith("is larger than 1000")
    async with bench.agent("x") as stream:
        await receive(stream, "welcome")
        heartbeat = Heartbeat(uptime_ms=1)
        heartbeat._unknown_fields = b"\x7a\xd0\x0f" + bytes(2000)
        await stream.send_message(AgentMessage(heartbeat=heartbeat))
        while bench.sessions.heartbeat("x") is None:
            await trio.lowlevel.checkpoint()


async def test_a_session_that_holds_no_asset_gives_way_to_another(nursery: trio.Nursery) -> None:
    bench = await start_bench(nursery, SessionLimits(max_sessions=2))
    async with bench.agent("none", UNKNOWN) as none, bench.agent("x", A1) as first:
        await receive(none, "welcome")
        await receive(first, "welcome")
        async with bench.agent("y", A2) as second:
            await receive(second, "welcome")
            assert await status_of(none) == (
                Status.RESOURCE_EXHAUSTED,
                "2 sessions are open, and this one was granted no asset",
            )
            async with bench.agent("z", UNKNOWN) as late:
                assert (await status_of(late))[0] is Status.RESOURCE_EXHAUSTED
