"""The same battery's registers behind pymodbus's own server: ``pymodbus_server PORT``."""

import sys

import trio
from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from launcher.inverters.inverter_registers import BASE
from tests.support.modbus.sunspec_unit import SunSpecUnit


async def registers() -> list[int]:
    """The unit's registers in its first state."""
    await trio.lowlevel.checkpoint()
    data = bytes(SunSpecUnit().data)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


if __name__ == "__main__":
    block = SimData(BASE, values=trio.run(registers), datatype=DataType.REGISTERS)
    StartTcpServer(SimDevice(1, [block]), address=("127.0.0.1", int(sys.argv[1])))
