"""The device under test, as the acceptance test acts on it: opened, told, read, and left.

The device's own task outlasts the test, so that the device can be returned to its default however
the test ends.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from deragent.acceptance.acceptance_acts import (
    Act,
    Answer,
    AskIdentity,
    CutLink,
    Done,
    EndAgent,
    Fact,
    Identity,
    LetAgentSteer,
    PowerReading,
    ReadPower,
    TellPower,
    WithholdRenewals,
)
from deragent.acceptance.acceptance_record import (
    CheckName,
    CheckOutcome,
    CheckResult,
    check_result,
)
from deragent.acceptance.acceptance_walk import SAMPLE_S
from deragent.commissioning.steering_agent import SteeringAgent
from deragent.devices import Device, DeviceError, LocalControlError, Nameplate, tell_default
from deragent.tasks.controller import TELL_TIMEOUT_S
from deragent.tasks.sampler import READ_TIMEOUT_S
from derproto.base.runtime import LastingTasks, Runtime, open_lasting_tasks, shielded_for
from derproto.configuration.fleet import Asset

IDENTIFY_S = 10.0
"""Time for the device to say what it is, from the start."""
LEAVE_S = 10.0
"""Time in which a test that was ended returns the device to its default."""
RETRY_S = 1.0

OpenDevice = Callable[[Asset, Runtime], Awaitable[Device]]


class DeviceRig:
    """One asset's device, opened anew where the test wants it."""

    def __init__(
        self,
        asset: Asset,
        runtime: Runtime,
        open_device: OpenDevice,
        tasks: LastingTasks,
        nursery: trio.Nursery,
    ) -> None:
        self._asset = asset
        self._runtime = runtime
        self._open = open_device
        self._tasks = tasks
        self._nursery = nursery
        self._device: Device | None = None
        self._running: trio.CancelScope | None = None
        self._agent: SteeringAgent | None = None
        self._steered = False
        """Whether the device may hold something else than its default."""
        self._read_s = -math.inf

    async def begin(self) -> None:
        """Opens the device, in place of the one before. Raises: DeviceConfigError."""
        device = await self._open(self._asset, self._runtime)
        if self._running is not None:
            self._running.cancel()
        self._running = self._tasks.start(device.run)
        self._device = device

    async def do(self, act: Act) -> Fact:
        """Does what the test asks. Cancellation: at any time; ``leave`` must follow."""
        match act:
            case AskIdentity():
                return await self._identify()
            case ReadPower():
                return await self._read()
            case TellPower(mw):
                return await self._tell(mw)
            case WithholdRenewals():
                await self.begin()
            case LetAgentSteer(mw, after_s):
                self._steered = True
                self._agent = SteeringAgent(self._asset, self._present, self._runtime, after_s)
                self._nursery.start_soon(self._agent.run)
                self._agent.order(mw)
            case CutLink():
                assert self._agent is not None
                self._agent.cut_link()
            case EndAgent():
                if self._agent is not None:
                    await self._agent.end()
        return Done(trio.current_time())

    async def leave(self) -> CheckResult:
        """Returns the device to its default, within ``LEAVE_S``, also while it is cancelled."""
        default_mw = self._asset.default_mw
        what = "its own control" if default_mw is None else f"its default, {default_mw:g} MW"
        if not self._steered:
            return _restored(CheckOutcome.PASSED, "it was told nothing")
        failure = "did not answer"
        with shielded_for(LEAVE_S):
            if self._agent is not None:
                await self._agent.end()
            while True:
                try:
                    await tell_default(self._present, default_mw)
                except DeviceError as refused:
                    failure = str(refused)
                else:
                    self._steered = False
                    return _restored(CheckOutcome.PASSED, f"it was told {what}")
                await trio.sleep(RETRY_S)
        reversion_s = self._present.reversion_s
        then = (
            "and has no reversion timer: stop it by hand"
            if reversion_s is None
            else f"and reverts by itself after {reversion_s:g} s"
        )
        return _restored(CheckOutcome.FAILED, f"it did not take {what} ({failure}), {then}")

    @property
    def _present(self) -> Device:
        assert self._device is not None, "begin comes first"
        return self._device

    async def _identify(self) -> Identity:
        """Asks until the device answers, within ``IDENTIFY_S``."""
        device, failure = self._present, "does not answer"
        with trio.move_on_after(IDENTIFY_S):
            while True:
                try:
                    nameplate = await device.identify()
                    # Some drivers know the limits once they have read the device.
                    await device.read()
                except DeviceError as away:
                    failure = str(away)
                    await trio.sleep(RETRY_S)
                    continue
                return Identity(trio.current_time(), nameplate, device.limits, device.reversion_s)
        return Identity(trio.current_time(), Nameplate(), device.limits, None, failure)

    async def _read(self) -> PowerReading:
        await trio.sleep_until(self._read_s + SAMPLE_S)
        self._read_s = trio.current_time()
        try:
            with trio.fail_after(READ_TIMEOUT_S):
                reading = await self._present.read()
        except (DeviceError, trio.TooSlowError) as failure:
            return PowerReading(trio.current_time(), failure=_words(failure))
        if self._agent is not None:
            self._agent.note_reading(reading)
        return PowerReading(
            trio.current_time(), reading.p_mw, reading.soc, reading.local, reading.fault
        )

    async def _tell(self, mw: float | None) -> Answer:
        at_s = trio.current_time()
        self._steered = True
        try:
            with trio.fail_after(TELL_TIMEOUT_S):
                await tell_default(self._present, mw)
        except (DeviceError, trio.TooSlowError) as failure:
            local = isinstance(failure, LocalControlError)
            return Answer(at_s, trio.current_time(), failure=_words(failure), local=local)
        return Answer(at_s, trio.current_time())


@asynccontextmanager
async def open_rig(
    asset: Asset, runtime: Runtime, open_device: OpenDevice
) -> AsyncIterator[DeviceRig]:
    """A rig whose device runs. The block calls ``leave`` at its end.

    Raises: DeviceConfigError.
    """
    async with open_lasting_tasks() as tasks, trio.open_nursery() as nursery:
        rig = DeviceRig(asset, runtime, open_device, tasks, nursery)
        await rig.begin()
        try:
            yield rig
        finally:
            nursery.cancel_scope.cancel()


def _words(failure: DeviceError | trio.TooSlowError) -> str:
    return str(failure) or "did not answer in time"


def _restored(outcome: CheckOutcome, words: str) -> CheckResult:
    return check_result(CheckName.RESTORED, outcome, words)
