"""A stopping server ends within its grace, whatever clients do. In memory, in virtual time."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.httpserver import HttpLimits
from derproto.triogrpc.testing import MemoryStream
from tests.stream.http.support import (
    HEALTH,
    SLOW_S,
    Serving,
    ask,
    receive,
    receive_all,
    serving_in_memory,
)

DAY_S = 86_400.0
PATIENT = HttpLimits(idle_s=DAY_S, body_s=DAY_S, send_s=DAY_S, response_s=DAY_S)
"""Limits under which only the stop ends a connection."""

CLIENTS = {
    "stalled reader": b"GET /firehose HTTP/1.1\r\nhost: x\r\n\r\n",
    "stalled before a pipelined request": b"GET /firehose HTTP/1.1\r\nhost: x\r\n\r\n" + HEALTH,
    "stalled in the fast lane": b"GET /telemetry HTTP/1.1\r\nhost: x\r\n\r\n" * 200,
    "slow header": b"GET /healthz HTTP/1.1\r\nx-a:",
    "slow body": b"POST /dispatch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: 100\r\n\r\n{",
    "many slow answers": b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" * 20,
    "silent": b"",
    "idle": HEALTH,
}


async def wait_ended(running: Serving[MemoryStream]) -> float:
    """How long the server takes to end."""
    began = trio.current_time()
    await running.ended.wait()
    return trio.current_time() - began


@pytest.mark.parametrize("name", CLIENTS)
async def test_no_client_holds_up_the_stop(name: str, autojump_clock: MockClock) -> None:
    async with serving_in_memory(PATIENT) as running:
        client = await running.connect()
        await client.send_all(CLIENTS[name])
        await wait_all_tasks_blocked()
        running.stopping.set()
        assert await wait_ended(running) <= PATIENT.grace_s + 0.01


@pytest.mark.parametrize("name", CLIENTS)
async def test_no_client_holds_up_a_cancel(name: str, autojump_clock: MockClock) -> None:
    async with serving_in_memory(PATIENT) as running:
        client = await running.connect()
        await client.send_all(CLIENTS[name])
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert trio.current_time() - began <= PATIENT.grace_s + 0.01


async def test_an_open_request_is_answered_and_its_connection_closed(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory(PATIENT) as running:
        client = await running.connect()
        await client.send_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await wait_all_tasks_blocked()
        running.stopping.set()
        assert (await receive_all(client)).endswith(b"thought")
        await client.aclose()
        assert await wait_ended(running) <= SLOW_S


async def test_an_idle_connection_is_closed_and_no_new_one_accepted(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory(PATIENT) as running:
        client = await running.connect()
        await ask(client, HEALTH)
        running.stopping.set()
        began = trio.current_time()
        assert await receive(client) == b""
        assert trio.current_time() == began
        with pytest.raises(ConnectionRefusedError):
            await running.connect()
