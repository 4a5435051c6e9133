"""Real agents of the storm in one process, and the cut of their links.

    storm_agents.py --port P --first N --agents N --nice N

prints a line of JSON for each change: ``{"at": T, "up": N}`` and ``{"at": T, "down": N}`` for the
agent of that number, ``{"at": T, "started": ID}`` once a device follows a dispatch. ``at`` is
``time.monotonic()``. Obeys lines of standard input, and ends with it:

    cut     from now on, nothing leaves or arrives, as on a path that loses every packet
    heal    ends the cut
"""

import argparse
import gc
import json
import logging
import os
import random
import sys
import time

import trio
from fleets import SITE_ID, agent_number, agents, make_fleet

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.event_lines import EventKind, EventLine
from derproto.base.runtime import real_runtime
from derproto.triogrpc import dial

STARTS_PER_S = 50.0
"""Agents started a second, of each process: together below the rate of the headend."""

COLLECTED_AFTER = 50_000
"""New objects between two collections: each walks all agents of the process, and a process of its
own has but one."""

SYN_AT_S = (1.0, 3.0, 7.0)
"""When Linux sends the first packet of a connection again, seconds after the first try."""


class CuttableStream(trio.abc.Stream):
    """A connection that is silent during a cut. One that a cut has met is silent for ever: after
    the cut the other side has given it up."""

    def __init__(self, stream: trio.SocketStream, cut: "Cut") -> None:
        self._stream = stream
        self._cut = cut
        self._number = cut.number

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._number == self._cut.number:
            await self._stream.send_all(data)
        else:
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if self._number != self._cut.number:
            await trio.sleep_forever()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class Cut:
    """Whether the path is cut, and how often it was."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.number = 0
        self.lasts = False

    async def dial(self) -> trio.abc.Stream:
        """Connects; during a cut, when a lost first packet is sent again after its end."""
        began = trio.current_time()
        for at_s in SYN_AT_S:
            if not self.lasts:
                break
            await trio.sleep_until(began + at_s)
        if self.lasts:
            await trio.sleep_forever()
        stream = await dial("127.0.0.1", self._port)
        assert isinstance(stream, trio.SocketStream)
        return CuttableStream(stream, self)


def tell(event: EventLine) -> None:
    """Prints the changes that the storm is measured by."""
    at, said = time.monotonic(), dict[str, object]()
    if event.kind is EventKind.CONNECTED:
        said = {"up": agent_number(event.agent_id)}
    elif event.kind is EventKind.DISCONNECTED and event.detail.get("lived_s"):
        said = {"down": agent_number(event.agent_id)}
    elif event.kind is EventKind.DISPATCH and event.detail.get("state") == "started":
        said = {"started": event.detail["dispatch_id"]}
    if said:
        print(json.dumps({"at": at, **said}), flush=True)


async def run(port: int, first: int, count: int) -> None:
    fleet, runtime, cut = make_fleet(first + count), real_runtime(), Cut(port)
    stopping = trio.Event()

    async def live(agent_id: str, asset_ids: tuple[str, ...]) -> None:
        await run_agent(
            AgentPlan(agent_id, SITE_ID, tuple(fleet.assets[name] for name in asset_ids)),
            runtime=runtime,
            dial=cut.dial,
            rng=random.Random(agent_id),
            authority="127.0.0.1",
            on_event=tell,
            stopping=stopping,
        )

    async def obey(starting: trio.CancelScope) -> None:
        async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
            async for said in stdin:
                for word in said.split():
                    cut.lasts = word == b"cut"
                    cut.number += cut.lasts
        starting.cancel()
        stopping.set()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as starting:
            nursery.start_soon(obey, starting)
            for agent_id, asset_ids in list(agents(first + count, 1))[first:]:
                nursery.start_soon(live, agent_id, asset_ids)
                await trio.sleep(1 / STARTS_PER_S)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--agents", type=int, required=True)
    parser.add_argument("--nice", type=int, required=True)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    os.nice(options.nice)
    gc.set_threshold(COLLECTED_AFTER, 20, 100)
    trio.run(run, options.port, options.first, options.agents)


if __name__ == "__main__":
    main()
