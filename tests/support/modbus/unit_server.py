"""A SunSpec battery at a port of loopback, for agents in processes: ``unit_server PORT``."""

import sys

import trio

from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import SunSpecUnit


async def serve(port: int) -> None:
    async with trio.open_nursery() as nursery:
        server = ModbusServer({1: SunSpecUnit()}, nursery)
        await trio.serve_tcp(server.converse, port, host="127.0.0.1")


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]))
