"""A link has one request on its way, serves its units in turn, and comes back."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from deragent.modbus_tcp import ModbusError, ModbusLink, NewConnectionError, SharedLinks
from deragent.modbus_tcp.modbus_link import LONGEST_PAUSE_S
from deragent.modbus_tcp.shared_links import LinkAddress
from derproto.configuration.kinds import Address
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import SunSpecUnit


@pytest.fixture
async def server(nursery: trio.Nursery) -> ModbusServer:
    return ModbusServer({unit: SunSpecUnit() for unit in range(1, 5)}, nursery)


async def test_units_behind_a_gateway_take_turns(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link, order = ModbusLink("gateway", server.dial), []
    server.answer_s = 0.1

    async def ask(unit: int) -> None:
        for _ in range(3):
            await link.read(unit, 40000, 2, 1.0)
            order.append(unit)

    async with trio.open_nursery() as nursery:
        for unit in server.units:
            nursery.start_soon(ask, unit)
    assert (server.most_under_way, server.dials) == (1, 1)
    # No unit is served twice before another one that waits.
    assert all({*order[i : i + 4]} == {1, 2, 3, 4} for i in (0, 4, 8))


async def test_a_slow_unit_costs_the_others_its_own_time_only(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    with pytest.raises(ModbusError, match=r"gateway: unit 9 does not answer a read of 2 .* in 1 s"):
        await link.read(9, 40000, 2, 1.0)
    assert trio.current_time() == pytest.approx(1.0)
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"


async def test_a_busy_device_is_asked_again_within_its_time(
    autojump_clock: MockClock, nursery: trio.Nursery, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    server.mood = "busy"

    async def get_well() -> None:
        await trio.sleep(0.7)
        server.mood = "well"

    nursery.start_soon(get_well)
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"
    assert server.dials == 1


async def test_a_device_that_is_away_is_dialled_more_and_more_rarely(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    server.mood = "away"
    dialled = []
    for _ in range(600):
        before = server.dials
        with pytest.raises(ModbusError, match="is not reached"):
            await link.read(1, 40000, 2, 1.0)
        if server.dials > before:
            dialled.append(trio.current_time())
        await trio.sleep(0.25)
    pauses = [after - before for before, after in pairwise(dialled)]
    assert pauses[0] == pytest.approx(0.5)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S, abs=0.3)
    server.mood = "well"
    await trio.sleep(LONGEST_PAUSE_S)
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"
    # From here on it is a healthy device again.
    await server.cut()
    with pytest.raises(ModbusError):
        await link.read(1, 40000, 2, 1.0)
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"


async def test_nothing_is_written_on_a_connection_that_the_caller_does_not_know(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    await link.read(1, 40000, 2, 1.0)
    await link.aclose()
    with pytest.raises(NewConnectionError):
        await link.write(1, 40000, b"\0\0", 1.0, connection=1)
    assert server.units[1].writes == []
    await link.write(1, 40000, b"\0\0", 1.0, connection=2)
    assert len(server.units[1].writes) == 1


async def test_devices_of_one_address_share_a_link_until_the_last_is_closed(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    links = SharedLinks()
    one, other = LinkAddress(Address("gateway", 502)), LinkAddress(Address("gateway", 503))
    link = links.link(one)
    assert links.link(LinkAddress(Address("gateway", 502))) is link
    assert links.link(other) is not link
    ours = ModbusLink("gateway", server.dial)
    async with links.use(ours):
        async with links.use(ours):
            await ours.read(1, 40000, 2, 1.0)
        await ours.read(1, 40000, 2, 1.0)
        assert server.dials == 1
    await ours.read(1, 40000, 2, 1.0)
    assert server.dials == 2


async def test_a_caller_that_gives_up_costs_no_connection(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    server.answer_s = 0.3
    for _ in range(20):
        with trio.move_on_after(0.2):
            await link.read(1, 40000, 2, 1.0)
    # The answers to those who gave up are nobody's.
    assert await link.read(1, 40070, 1, 1.0) == (701).to_bytes(2, "big")
    assert (server.dials, server.most_under_way) == (1, 1)


async def test_an_answer_that_is_overdue_ends_the_connection(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    server.mood = "mute"
    with trio.move_on_after(0.2):
        await link.read(1, 40000, 2, 1.0)
    server.mood = "well"
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"
    assert server.dials == 2
    assert trio.current_time() == pytest.approx(1.0)


async def test_answers_to_requests_that_nobody_made_end_the_connection(
    autojump_clock: MockClock, server: ModbusServer
) -> None:
    link = ModbusLink("gateway", server.dial)
    server.mood = "chatty"
    with pytest.raises(ModbusError, match="answers requests that nobody made"):
        await link.read(1, 40000, 2, 1.0)
    server.mood = "well"
    assert await link.read(1, 40000, 2, 1.0) == b"SunS"
