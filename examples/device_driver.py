"""The agent with a device driver of your own.

The device is an imaginary inverter that speaks lines over TCP:

    READ        ->  OK -1.25 0.61      power in MW, positive = generation; state of charge
    HOLD -1.25  ->  OK
    RELEASE     ->  OK

Run it with the agent's environment variables and ``INVERTER=host:port``.
"""

import os
from argparse import Namespace
from functools import partial

import trio

from deragent.config import load
from deragent.daemon import main
from deragent.devices import Device, DeviceConfigError, DeviceError, Measurement
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, Limits
from derproto.der.v1 import OperatingState
from derproto.stdio.logs import configure_logging

ANSWER_S = 2.0
"""Time for the inverter to answer, the connection included."""
LONGEST_LINE = 256


class LineInverter(Device):
    """Calls may overlap: each has a connection of its own."""

    def __init__(self, host: str, port: int, limits: Limits) -> None:
        self._host, self._port = host, port
        self._limits = limits

    @property
    def limits(self) -> Limits:
        return self._limits

    async def read(self) -> Measurement:
        words = await self._ask("READ")
        try:
            p_mw, soc = map(float, words)
        except ValueError:
            raise DeviceError(f"the inverter answers READ with {words}") from None
        return Measurement(p_mw=p_mw, soc=soc, status=OperatingState.RUNNING)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        # This inverter has no ramp: it is as fast as it can.
        await self._ask(f"HOLD {mw}")
        return mw

    async def release(self) -> None:
        await self._ask("RELEASE")

    async def _ask(self, question: str) -> list[str]:
        """The words behind OK.

        Raises: DeviceError. Cancellation: at any time; the inverter may have heard the question.
        """
        try:
            with trio.fail_after(ANSWER_S):
                stream = await trio.open_tcp_stream(self._host, self._port)
                async with stream:
                    await stream.send_all(f"{question}\n".encode())
                    answer = await _line(stream)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            raise DeviceError(f"the inverter does not answer: {error!r}") from error
        word, *more = answer.split() or [""]
        if word != "OK":
            raise DeviceError(f"the inverter answers {question!r} with {answer!r}")
        return more


async def _line(stream: trio.SocketStream) -> str:
    heard = b""
    while not heard.endswith(b"\n") and len(heard) < LONGEST_LINE:
        more = await stream.receive_some(LONGEST_LINE)
        if not more:
            break
        heard += more
    return heard.decode("ascii", "replace")


async def open_inverter(asset: Asset, _runtime: Runtime) -> LineInverter:
    """Opens the device of an asset. ``deragent`` calls it once for each, and never again."""
    host, _, port = os.environ.get("INVERTER", "").rpartition(":")
    if not host or not port.isdecimal():
        raise DeviceConfigError("INVERTER: write host:port, such as 127.0.0.1:5020")
    return LineInverter(host, int(port), asset.limits)


if __name__ == "__main__":
    config, plan = load(Namespace(), os.environ)
    configure_logging(config.log_level)
    trio.run(partial(main, config, plan, open_device=open_inverter))
