"""Agents over TLS that register and stay. They serve to measure memory, so their cost is free.

Prints ``{"welcomed": N}`` when all are in, and stays until standard input ends.
"""

import argparse
import json
import os
import ssl
import sys
import time
from pathlib import Path

import trio
from fleets import agents

from derproto.der.v1 import AgentMessage, Register
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import connect, dial

AT_A_TIME = 16
"""Handshakes under way."""


async def stay(
    port: int,
    context: ssl.SSLContext,
    agent_id: str,
    asset_ids: tuple[str, ...],
    task_status: trio.TaskStatus[None],
) -> None:
    """One agent, from its handshake on; started when it is welcomed."""
    stream = await dial("127.0.0.1", port, ssl_context=context, timeout_s=30)
    async with connect(stream, authority="127.0.0.1", codec=MessageCodec()) as channel:
        async with channel.request(SESSION) as session:
            await session.send_request()
            register = Register(
                agent_id=agent_id,
                asset_ids=list(asset_ids),
                software_version="bench",
                boot_id=time.time_ns(),
                clock_us=time.time_ns() // 1000,
            )
            await session.send_message(AgentMessage(register=register))
            await session.recv_message()
            task_status.started()
            await trio.sleep_forever()


async def run(port: int, authority: Path, count: int) -> None:
    context = ssl.create_default_context(cafile=str(authority))
    limit = trio.CapacityLimiter(AT_A_TIME)
    async with trio.open_nursery() as staying:

        async def enter(agent_id: str, asset_ids: tuple[str, ...]) -> None:
            async with limit:
                await staying.start(stay, port, context, agent_id, asset_ids)

        async with trio.open_nursery() as entering:
            for agent_id, asset_ids in agents(count, 1):
                entering.start_soon(enter, agent_id, asset_ids)
        print(json.dumps({"welcomed": count}), flush=True)
        async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
            async for _ in stdin:
                pass
        staying.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--agents", type=int, required=True)
    options = parser.parse_args()
    trio.run(run, options.port, options.authority, options.agents)


if __name__ == "__main__":
    main()
