"""A battery's inverter with models 1, 701, 702, 704, 713 and 715, as its registers.

pysunspec2 writes the registers. The unit acts out the reversion timer, and its power follows.
"""

from collections.abc import Callable
from typing import Any

import trio

from deragent.drivers.sunspec.point_values import Scale, encode
from deragent.modbus_tcp.read_plan import RegisterImage, Span
from launcher.inverters.inverter_registers import BASE, lay_out_models

BATTERY: dict[int, dict[str, Any]] = {
    1: {"Mn": "Acme", "Md": "B-2", "Vr": "1.7", "SN": "0042"},
    701: {
        "ACType": 2,
        "St": 1,
        "InvSt": 3,
        "ConnSt": 1,
        "Alrm": 0,
        "W": 0,
        "Var": 0,
        "LNV": 2300,
        "Hz": 50000,
        "W_SF": 2,
        "Var_SF": 2,
        "V_SF": -1,
        "Hz_SF": -3,
    },
    702: {"WMaxRtg": 20000, "WMax": 20000, "W_SF": 2},
    704: {
        "WSetEna": 0,
        "WSetMod": 1,
        "WSet": 0,
        "WSetRvrt": 0,
        "WSetEnaRvrt": 0,
        "WSetRvrtTms": 0,
        "WSetRvrtRem": 0,
        "WSet_SF": 2,
    },
    713: {"SoC": 610, "Pct_SF": -1},
    715: {"LocRemCtl": 0, "DERHb": 0, "ControllerHb": 0},
}


class SunSpecUnit:
    """One unit's registers from address 40000, and what it does with them."""

    def __init__(self, models: dict[int, dict[str, Any]] | None = None) -> None:
        data, self._layouts = lay_out_models(BATTERY if models is None else models)
        self.data = data + b"\xff\xff"
        self.writes: list[tuple[float, int, bytes]] = []
        """Time, address and data of each write."""
        self._reverts_s: float | None = None
        self.on_read: Callable[[], None] = lambda: None
        self.act = True
        """Whether its power follows, and its timer runs."""

    def read(self, address: int, count: int, function: int = 3) -> bytes | None:
        """Registers; None for an address beyond the map."""
        if function != 3:
            return None
        self._step()
        self.on_read()
        start = 2 * (address - BASE)
        found = bytes(self.data[start : start + 2 * count]) if start >= 0 else b""
        return found if len(found) == 2 * count else None

    def write(self, address: int, data: bytes) -> bool:
        """Whether the registers are there."""
        self._step()
        start = 2 * (address - BASE)
        if start < 0 or start + len(data) > len(self.data):
            return False
        self.data[start : start + len(data)] = data
        self.writes.append((trio.current_time(), address, data))
        if (
            self.act
            and 704 in self._layouts
            and self._layouts[704].points["WSetEna"].span.address == address
        ):
            timer = self.value(704, "WSetRvrtTms")
            on = self.value(704, "WSetEna") == 1 and timer
            self._reverts_s = trio.current_time() + timer if on else None
        self._step()
        return True

    def value(self, model_id: int, path: str) -> Any:
        return self._layouts[model_id].value(path, self._image())

    def span(self, model_id: int, path: str) -> Span:
        return self._layouts[model_id].points[path].span

    def put(self, model_id: int, path: str, value: float) -> None:
        """Sets a point from inside the unit."""
        layout = self._layouts[model_id]
        place, scale = layout.points[path], layout.scale(path, self._image())
        start = 2 * (place.span.address - BASE)
        data = encode(place.definition, value, scale or Scale())
        self.data[start : start + len(data)] = data

    @property
    def setpoint_mw(self) -> float | None:
        """What it holds; None = it controls itself."""
        self._step()
        return self.value(704, "WSet") / 1e6 if self.value(704, "WSetEna") == 1 else None

    def _image(self) -> RegisterImage:
        return RegisterImage(((Span(BASE, len(self.data) // 2), bytes(self.data)),))

    def _step(self) -> None:
        if 704 not in self._layouts or not self.act:
            return
        if self._reverts_s is not None and trio.current_time() >= self._reverts_s:
            self._reverts_s = None
            self.put(704, "WSetEna", self.value(704, "WSetEnaRvrt"))
        on = self.value(704, "WSetEna") == 1
        self.put(701, "W", self.value(704, "WSet") if on else 0)
