"""An imaginary battery of single registers, and the map that describes it."""

import struct
from pathlib import Path

import trio

from tests.support.modbus.register_unit import INPUT, RegisterUnit, words_of, words_of_text

PERIOD_S = 30
MAP = (Path(__file__).parents[3] / "examples/battery_map.yaml").read_text(encoding="utf-8")


class MappedBattery:
    """The battery's registers. It reverts by itself when its watchdog is not written."""

    def __init__(self) -> None:
        self.unit = RegisterUnit()
        put = self.unit.put
        put(100, words_of_text("0042", 4))
        put(104, [17])
        put(105, words_of("I", 2_000_000))
        put(107, [0, 0, 0, 732])
        for address in range(200, 205):
            put(address, [0])
        put(0x10, words_of("i", 0, little=True), INPUT)
        put(0x12, words_of("h", -300), INPUT)
        put(0x13, [610], INPUT)
        put(0x14, words_of("f", 50.0), INPUT)
        put(0x16, [2301, 3, 0, 0, 0, 1], INPUT)
        put(0x1C, words_of("Q", 123_456), INPUT)
        self.unit.on_step = self._step
        self._fed = 0
        self._reverts_s = 0.0
        self.beats = True

    def _step(self) -> None:
        now_s = trio.current_time()
        holding, inputs = self.unit.tables[3], self.unit.tables[INPUT]
        if holding[204] != self._fed:
            self._fed, self._reverts_s = holding[204], now_s + PERIOD_S
        if now_s >= self._reverts_s:
            holding[202] = 0
        if self.beats:
            inputs[0x1B] = int(now_s) & 0xFFFF
        words = (holding[200], holding[201]) if holding[202] else (0, 0)
        inputs.update(enumerate(words, 0x10))

    @property
    def setpoint_mw(self) -> float | None:
        """What it holds; None = it controls itself."""
        self._step()
        holding = self.unit.tables[3]
        if not holding[202]:
            return None
        data = struct.pack(">HH", holding[201], holding[200])
        return -float(struct.unpack(">i", data)[0]) / 1e6
