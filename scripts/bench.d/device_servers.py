"""SunSpec batteries, each behind a port of its own, that note who reads and steers them.

    device_servers.py --devices N

prints ``{"ports": […]}``. It takes commands from standard input and answers each with a line of
JSON; times are of the machine's monotonic clock, seconds:

    plan      what one device was asked within a second: reads and writes, as [address, registers]
    begin     counts anew
    end       the longest time between two readings of a device, and all requests since ``begin``
    orders    the power that devices were told since ``begin``, as [device, time, watts]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import trio

from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import SunSpecUnit


class WatchedUnit(SunSpecUnit):
    """Notes its own reads and writes."""

    def __init__(self) -> None:
        super().__init__()
        self._measured = self.span(701, "W").address
        self._enabled = self.span(704, "WSetEna").address
        self.told: list[tuple[float, int]] = []
        self.begin()

    def begin(self) -> None:
        """Counts anew."""
        self.requests, self.longest_s, self._read_s = 0, 0.0, time.monotonic()
        self.told.clear()
        self.asked: dict[str, set[tuple[int, int]]] = {"reads": set(), "writes": set()}

    def read(self, address: int, count: int, function: int = 3) -> bytes | None:
        self.requests += 1
        self.asked["reads"].add((address, count))
        if address <= self._measured < address + count:
            now_s = time.monotonic()
            self.longest_s, self._read_s = max(self.longest_s, now_s - self._read_s), now_s
        return super().read(address, count, function)

    def write(self, address: int, data: bytes) -> bool:
        self.requests += 1
        self.asked["writes"].add((address, len(data) // 2))
        took = super().write(address, data)
        # The enabling point is written last.
        if address <= self._enabled < address + len(data) // 2:
            self.told.append((time.monotonic(), self.value(704, "WSet")))
        return took


async def serve(count: int) -> None:
    """Serves until standard input ends."""
    units = [WatchedUnit() for _ in range(count)]
    async with trio.open_nursery() as nursery:
        ports = []
        for unit in units:
            server = ModbusServer({1: unit}, nursery)
            listeners = await nursery.start(_serve, server)
            ports.append(listeners[0].socket.getsockname()[1])
        _answer({"ports": ports})
        commands: dict[str, Callable[[list[WatchedUnit]], dict[str, Any]]] = {
            "plan": _plan,
            "begin": _begin,
            "end": _end,
            "orders": _orders,
        }
        lines = trio.wrap_file(sys.stdin)
        async for line in lines:
            _answer(commands[line.strip()](units))
        nursery.cancel_scope.cancel()


async def _serve(server: ModbusServer, *, task_status: trio.TaskStatus[Any]) -> None:
    await trio.serve_tcp(server.converse, 0, host="127.0.0.1", task_status=task_status)


def _answer(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


def _begin(units: list[WatchedUnit]) -> dict[str, Any]:
    for unit in units:
        unit.begin()
    return {}


def _plan(units: list[WatchedUnit]) -> dict[str, Any]:
    return {kind: sorted(spans) for kind, spans in units[0].asked.items()}


def _end(units: list[WatchedUnit]) -> dict[str, Any]:
    return {
        "longest_s": max(unit.longest_s for unit in units),
        "requests": sum(unit.requests for unit in units),
    }


def _orders(units: list[WatchedUnit]) -> dict[str, Any]:
    return {"orders": [(n, at_s, told) for n, unit in enumerate(units) for at_s, told in unit.told]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--devices", type=int, required=True)
    trio.run(serve, parser.parse_args().devices)
