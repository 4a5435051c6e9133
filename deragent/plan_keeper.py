"""The agent's plan and its devices, from one life of the agent to the next.

At SIGHUP the keeper reads the plan again. If the plan has changed, the agent's present life ends,
and the next life begins with the new plan, as after a restart: timelines and unsent samples come
from the data folder. A device whose asset has not changed stays open and keeps its setpoint. Any
other device under an order is told its default first.
"""

from collections.abc import Awaitable, Callable

import trio

from deragent.config import AgentPlan
from deragent.devices import Device, DeviceConfigError, DeviceError, tell_default
from derproto.base.runtime import LastingTasks, Runtime, shielded_for
from derproto.configuration.fleet import Asset
from derproto.configuration.problems import ConfigError, Problem
from derproto.stdio.log_events import event_log

log = event_log(__name__)

RETURN_S = 1.0
"""Time at the end to tell a device its default, if no life has taken the device over."""

OpenDevice = Callable[[Asset, Runtime], Awaitable[Device]]


class PlanKeeper:
    """The plan in force, and the devices that are open."""

    def __init__(
        self,
        plan: AgentPlan,
        read: Callable[[], AgentPlan] | None,
        runtime: Runtime,
        open_device: OpenDevice,
    ) -> None:
        self.plan = plan
        self._life_ends = trio.Event()
        self._read = read
        self._runtime = runtime
        self._open = open_device
        self._devices: dict[str, Device] = {}
        self._changing = False
        self._handed_over: dict[str, tuple[Asset, Device]] = {}
        self.lasting: LastingTasks | None = None
        """Runs the devices' own tasks, from one life to the next."""
        self._running: dict[str, tuple[Device, trio.CancelScope]] = {}

    async def open_device(self, asset: Asset, runtime: Runtime) -> Device:
        """The asset's device, which runs: the one that is open, else a new one.

        Raises: DeviceConfigError.
        """
        device = self._devices.get(asset.id)
        if device is None:
            device = self._devices[asset.id] = await self._open(asset, runtime)
        if asset.id not in self._running and self.lasting is not None:
            self._running[asset.id] = device, self.lasting.start(device.run)
        return device

    async def reload(self) -> str | None:
        """Reads the plan; if it has changed, ends the life, and returns the changes in words.

        Raises: ConfigError, also for a device that cannot be opened; then nothing has changed.
        """
        if self._read is None:
            return None
        new = await self._runtime.run_blocking(self._read)
        if new == self.plan:
            return None
        if new.agent_id != self.plan.agent_id:
            text = f"it was {self.plan.agent_id} and would be {new.agent_id}; restart the agent"
            raise ConfigError([Problem(None, None, "agent.id", text)])
        before = {asset.id: asset for asset in self.plan.assets}
        kept = {asset.id for asset in new.assets if before.get(asset.id) == asset}
        devices = {id: device for id, device in self._devices.items() if id in kept}
        for asset in new.assets:
            if asset.id not in kept:
                try:
                    devices[asset.id] = await self._open(asset, self._runtime)
                except DeviceConfigError as wrong:
                    raise ConfigError([Problem(None, None, "device", str(wrong))]) from wrong
        now = {asset.id for asset in new.assets}
        self.plan, self._devices, self._changing = new, devices, True
        self._life_ends.set()
        added, removed = len(now - before.keys()), len(before.keys() - now)
        return f"{added} added, {removed} removed, {len(now & before.keys()) - len(kept)} changed"

    def stop(self) -> None:
        """Ends the life; no other follows."""
        self._changing = False
        self._life_ends.set()

    def hands_over(self, asset: Asset, device: Device) -> bool:
        """Whether the next life takes over this device as it is. A controller asks when it ends."""
        if not self._changing or self._devices.get(asset.id) is not device:
            return False
        self._handed_over[asset.id] = asset, device
        return True

    def begin_life(self) -> trio.Event:
        """Begins a life; returns the event that ends it.

        Ends the tasks of devices that are gone.
        """
        for id, (device, scope) in [*self._running.items()]:
            if self._devices.get(id) is not device:
                scope.cancel()
                del self._running[id]
        self._changing = False
        self._life_ends = trio.Event()
        return self._life_ends

    def note_taken(self) -> None:
        """Notes that the life's controllers have all devices that were handed over."""
        self._handed_over.clear()

    def name_of(self, id: str) -> str | None:
        """The name of the asset with this id, for log lines."""
        return next((asset.name for asset in self.plan.assets if asset.id == id), None)

    async def return_devices(self) -> None:
        """Tells their defaults to devices that were handed over and that no life has taken."""
        for asset, device in self._handed_over.values():
            with shielded_for(RETURN_S) as returning:
                try:
                    await tell_default(device, asset.default_mw)
                except DeviceError as failure:
                    log.error("device did not take its default", asset=asset.id, reason=failure)
            if returning.cancelled_caught:
                log.error("device did not answer its return to the default", asset=asset.id)
