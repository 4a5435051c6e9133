"""pymodbus's asyncio clients, which ask devices for the same registers and decode nothing.

    peer_pymodbus.py --ports P,… --plan JSON

reads each device once a second, and writes to it what ``plan`` says.
"""

import argparse
import asyncio
import json

from pymodbus.client import AsyncModbusTcpClient

PERIOD_S = 1.0


async def poll(
    port: int, delay_s: float, reads: list[tuple[int, int]], writes: list[tuple[int, int]]
) -> None:
    """Polls one device for ever."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    loop = asyncio.get_running_loop()
    due_s = loop.time() + delay_s
    beat = 0
    while True:
        await asyncio.sleep(due_s - loop.time())
        due_s += PERIOD_S
        for address, count in reads:
            await client.read_holding_registers(address, count=count, device_id=1)
        beat = (beat + 1) % 2**16
        for address, count in writes:
            await client.write_registers(address, [0] * (count - 1) + [beat], device_id=1)


async def main(ports: list[int], plan: dict[str, list[tuple[int, int]]]) -> None:
    async with asyncio.TaskGroup() as group:
        for number, port in enumerate(ports):
            delay_s = PERIOD_S * number / len(ports)
            group.create_task(poll(port, delay_s, plan["reads"], plan["writes"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--plan", required=True)
    given = parser.parse_args()
    asyncio.run(main(list(map(int, given.ports.split(","))), json.loads(given.plan)))
