"""Driver ``line_battery``: an imaginary battery that speaks lines over TCP.

WHO         ->  OK Acme B-2 0042 2.0    manufacturer, model, serial number, rating in MW
READ        ->  OK -1.25 0.61 remote    power in MW, positive = generation; state of charge
HOLD -1.25  ->  OK, or LOCAL while its key switch stands at local
RELEASE     ->  OK, or LOCAL
"""

from dataclasses import dataclass
from typing import Annotated

import trio

from deragent.devices import (
    Address,
    Asset,
    AssetKind,
    Device,
    DeviceError,
    Driver,
    Limits,
    LocalControlError,
    Measurement,
    Nameplate,
    Number,
    OperatingState,
    Option,
    Runtime,
    address,
)

LONGEST_LINE = 256


@dataclass(frozen=True, kw_only=True)
class LineBatteryOptions:
    host: Annotated[Address, Option(address(least_port=1), "address of the battery")]
    answer_s: Annotated[float, Option(Number(above=0, most=60, unit="s"), "time to answer")] = 2.0


class LineBattery(Device):
    """Each call has a connection of its own, so calls may overlap, and no answer comes late."""

    def __init__(self, asset: Asset, options: LineBatteryOptions) -> None:
        self._asset = asset
        self._options = options

    @property
    def limits(self) -> Limits:
        return self._asset.limits

    async def read(self) -> Measurement:
        try:
            p_mw, soc, control = await self._ask("READ")
            return Measurement(
                p_mw=float(p_mw),
                soc=float(soc),
                status=OperatingState.RUNNING,
                local=control == "local",
            )
        except ValueError as wrong:
            raise DeviceError(f"the battery answers READ with something else: {wrong}") from wrong

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        # This battery has no ramp: it is as fast as it can.
        await self._ask(f"HOLD {mw}")
        return mw

    async def release(self) -> None:
        await self._ask("RELEASE")

    async def identify(self) -> Nameplate:
        try:
            manufacturer, model, serial, rated_mw = await self._ask("WHO")
            return Nameplate(manufacturer, model, serial, rated_mw=float(rated_mw))
        except ValueError as wrong:
            raise DeviceError(f"the battery answers WHO with something else: {wrong}") from wrong

    async def _ask(self, question: str) -> list[str]:
        """The words behind OK. Raises: DeviceError."""
        try:
            with trio.fail_after(self._options.answer_s):
                async with await trio.open_tcp_stream(*self._options.host) as stream:
                    await stream.send_all(f"{question}\n".encode())
                    answer = await _line(stream)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as failure:
            raise DeviceError(f"the battery does not answer {question}: {failure!r}") from failure
        word, *words = answer.split() or [""]
        if word == "LOCAL":
            raise LocalControlError("the battery's key switch stands at local")
        if word != "OK":
            raise DeviceError(f"the battery answers {question} with {answer!r}")
        return words


async def _line(stream: trio.SocketStream) -> str:
    heard = b""
    while not heard.endswith(b"\n"):
        more = await stream.receive_some(LONGEST_LINE)
        if not more or len(heard) > LONGEST_LINE:
            return ""
        heard += more
    return heard.decode("ascii", "replace")


async def open_battery(asset: Asset, options: LineBatteryOptions, _runtime: Runtime) -> Device:
    return LineBattery(asset, options)


DRIVER = Driver(
    summary="a battery that speaks lines over TCP",
    options=LineBatteryOptions,
    open=open_battery,
    kinds=frozenset({AssetKind.BATTERY}),
)
