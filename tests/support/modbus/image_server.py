"""pymodbus's own server with a device's registers: ``image_server PORT UNIT IMAGE``.

``IMAGE`` is JSON: words by address in each table, and ``follow``, which acts the device out: the
register that shows the power, the register that commands it, and the watts of a step of the first.

    {"holding": {"37": 0}, "input": {}, "follow": [12, 37, 10]}
"""

import json
import sys
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def blocks_of(table: dict[str, int]) -> list[SimData]:
    """Registers as blocks without holes; the addresses between them are illegal."""
    blocks: dict[int, list[int]] = {}
    start = end = -1
    for address in sorted(map(int, table)):
        if address != end:
            start = address
        blocks.setdefault(start, []).append(table[str(address)])
        end = address + 1
    made = [SimData(at, values=words, datatype=DataType.REGISTERS) for at, words in blocks.items()]
    return made or [SimData(65535, values=[0], datatype=DataType.REGISTERS)]


def device_of(unit: int, image: dict[str, Any]) -> SimDevice:
    """The device, whose power is at once what it was told."""
    follow = image.get("follow")

    async def act(
        _function: int,
        start: int,
        _address: int,
        _count: int,
        held: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if follow is not None and 0 <= follow[1] - start < len(held):
            told = held[follow[1] - start]
            watts = told - 0x10000 if told & 0x8000 else told
            held[follow[0] - start] = round(watts / follow[2]) & 0xFFFF
        return None

    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    tables = (bits, bits, blocks_of(image["holding"]), blocks_of(image["input"]))
    return SimDevice(unit, tables, action=act)


if __name__ == "__main__":
    StartTcpServer(
        device_of(int(sys.argv[2]), json.loads(sys.argv[3])),
        address=("127.0.0.1", int(sys.argv[1])),
    )
