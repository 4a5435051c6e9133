"""The SunSpec battery behind pymodbus's own server, which acts on it: ``acting_server PORT``.

Its power follows its setpoint with a lag, and its reversion timer runs.
"""

import math
import sys
import time

import trio
from pymodbus.constants import ExcCodes
from pymodbus.server import StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from launcher.inverters.inverter_registers import BASE
from tests.support.modbus.pymodbus_server import registers
from tests.support.modbus.sunspec_unit import SunSpecUnit

LAG_S = 0.5


class ActingBattery:
    """What the battery does with its registers. Setpoint and power have the same scale."""

    def __init__(self, unit: SunSpecUnit) -> None:
        self._place = {
            name: unit.span(model_id, name)
            for model_id, name in (
                (704, "WSetEna"),
                (704, "WSet"),
                (704, "WSetRvrtTms"),
                (701, "W"),
            )
        }
        self._power = 0.0
        self._at_s = time.monotonic()
        self._reverts_s = math.inf

    async def act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        held: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Brings the registers up to now, before they are read or written."""
        now_s = time.monotonic()
        enable = self._place["WSetEna"].address - start
        if now_s >= self._reverts_s:
            held[enable], self._reverts_s = 0, math.inf
        aim = self._value("WSet", start, held) if held[enable] == 1 else 0
        self._power += (aim - self._power) * -math.expm1((self._at_s - now_s) / LAG_S)
        self._at_s = now_s
        power = self._place["W"]
        held[power.address - start] = round(self._power) & 0xFFFF
        if written is not None and address <= self._place["WSetEna"].address < address + count:
            timer_s = self._value("WSetRvrtTms", start, held)
            self._reverts_s = now_s + timer_s if timer_s else math.inf
        return None

    def _value(self, name: str, start: int, held: list[int]) -> int:
        span = self._place[name]
        words = held[span.address - start : span.end - start]
        data = b"".join(word.to_bytes(2, "big") for word in words)
        return int.from_bytes(data, "big", signed=True)


async def battery() -> ActingBattery:
    await trio.lowlevel.checkpoint()
    return ActingBattery(SunSpecUnit())


if __name__ == "__main__":
    block = SimData(BASE, values=trio.run(registers), datatype=DataType.REGISTERS)
    device = SimDevice(1, [block], action=trio.run(battery).act)
    StartTcpServer(device, address=("127.0.0.1", int(sys.argv[1])))
