"""The real headend and the real agent on a bad link, under virtual time, driven by a script.

Both daemons run whole, from the order to the device and back. Only network, device and clocks are
replaced. Whatever a script leaves open is drawn from its seed.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import trio
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.devices import Device, DeviceError
from deragent.devices.device import Measurement
from deragent.event_lines import EventKind, EventLine
from deragent.outbox.outbox_file import OutboxFile
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import TELL_TIMEOUT_S
from derhead.dispatch import ENDED, AssetOrder
from derhead.headend import Headend
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.fleet import Asset, Failsafe, Limits
from derproto.triogrpc.testing import MemoryNetwork
from tests.property.dispatch.script import (
    Act,
    Cut,
    Give,
    KillAgent,
    KillHeadend,
    Refuse,
    Script,
    Stall,
    Upset,
    Wait,
    Withdraw,
)
from tests.support.assets import fleet_of, make_asset
from tests.support.deterministic import deterministic_trio
from tests.support.dispatch.record import Record, Span, Told
from tests.support.epoch import T0
from tests.support.virtual import run_virtual_headend

T = TypeVar("T")

SITE_ID = "5b0c6a52-7f0e-4c39-8f4b-3a1c7d0e9a01"

ASSET_ID = "0d7c0a5e-5d7a-4b8e-9f5c-6f2f9f2a8b02"

AGENT_ID = "agent"

STEP_MW = 0.001
"""Each order has MW of its own, so that the device's record tells which one it follows."""

SLOW_S = 3.0

ALIVE_S = 10.0

HEAL_S = 400.0
"""Quiet at the end, all being well: longer than any window, silence or pause of a script."""


class _Device:
    """Takes commands, keeps its record, and is upset when told to be."""

    limits = Limits(-2.0, 2.0)

    def __init__(self) -> None:
        self.told: list[tuple[float, float | None]] = []
        """When it took which MW; None is its own control."""
        self.mood = "well"
        self.lives = 0

    def open(self) -> Device:
        """For the agent's next life; what an earlier one still says has no effect."""
        self.lives += 1
        return _Opened(self, self.lives)

    async def tell(self, life: int, mw: float | None) -> None:
        mood = self.mood
        if mood == "slow":
            await trio.sleep(SLOW_S)
        await trio.lowlevel.checkpoint()
        if life != self.lives:
            raise DeviceError("its agent is dead")
        if mood == "refusing":
            raise DeviceError("refuses")
        self.told.append((trio.current_time(), mw))
        if mood == "mute":
            await trio.sleep_forever()


@dataclass
class _Opened(Device):
    device: _Device
    life: int
    limits: Limits = _Device.limits

    async def read(self) -> Measurement:
        await trio.lowlevel.checkpoint()
        return Measurement(p_mw=0.0)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await self.device.tell(self.life, mw)
        return mw

    async def release(self) -> None:
        await self.device.tell(self.life, None)


class _World:
    """Everything of a run, and what a script does to it."""

    def __init__(self, folder: Path, script: Script, nursery: trio.Nursery) -> None:
        self.record = Record(Failsafe(script.failsafe_s))
        self.files: list[OutboxFile] = []
        """Files of all lives of the agent; nothing but this process closes those of the dead."""
        self._folder = folder
        self._nursery = nursery
        self._rng = random.Random(script.seed)
        self.runtime = virtual_runtime(T0)
        self._clock_s = script.clock_s
        self._asset = make_asset(
            ASSET_ID, site_id=SITE_ID, failsafe=self.record.failsafe, energy_mwh=4.0
        )
        self._fleet = fleet_of(self._asset)
        self._network = MemoryNetwork()
        self._ids: dict[float, str] = {}
        self._device = _Device()
        self._headend: Headend | None = None
        self._headend_scope = trio.CancelScope()
        self._headend_gone = trio.Event()
        self._agent_scope = trio.CancelScope()
        self._agent_gone = trio.Event()
        self._heard_s = 0.0
        self._boot = 0
        self.agent_life = 0
        self._upset_s = 0.0
        self._wanted: Counter[str] = Counter()

    # --- processes -----------------------------------------------------------------------

    async def start_headend(self) -> None:
        self._headend_scope, self._headend_gone = trio.CancelScope(), trio.Event()
        self._headend = await self._nursery.start(self._run_headend)

    async def _run_headend(self, task_status: trio.TaskStatus[Headend]) -> None:
        try:
            with self._headend_scope:
                await run_virtual_headend(
                    self._folder, self._fleet, self._network, self.runtime, task_status=task_status
                )
        finally:
            self._headend = None
            self._headend_gone.set()

    async def start_agent(self) -> None:
        self._agent_scope, self._agent_gone = trio.CancelScope(), trio.Event()
        await self._nursery.start(self._run_agent)

    async def _run_agent(self, task_status: trio.TaskStatus[object]) -> None:
        offset_us = round(self._clock_s * 1e6)
        wall_us, boot = self.runtime.wall_us, f"boot {self._boot}"
        self.agent_life += 1
        runtime = Runtime(
            wall_us=lambda: wall_us() + offset_us,
            run_blocking=_Mortal(self, self.agent_life),
            since_boot=lambda: (boot, round(trio.current_time() * 1e6)),
        )

        async def open_device(_asset: Asset, _runtime: Runtime) -> Device:
            return self._device.open()

        def note(event: EventLine) -> None:
            if event.kind is EventKind.CONNECTED:
                self._note_welcome()

        try:
            with self._agent_scope:
                await run_agent(
                    AgentPlan(AGENT_ID, SITE_ID, (self._asset,)),
                    runtime=runtime,
                    dial=lambda: self._network.connect("headend"),
                    rng=random.Random(self._rng.getrandbits(64)),
                    authority="headend",
                    on_event=note,
                    open_device=open_device,
                    data=self._folder / "deragent",
                    stopping=trio.Event(),
                    task_status=task_status,
                )
        finally:
            self._agent_gone.set()

    def _note_welcome(self) -> None:
        if self._headend is None:
            # It died after it had said so; nothing else of it will come.
            return
        live = self._headend.sessions.live
        if live:
            welcomed_s = (live[-1].record.connected_us - T0) / 1e6
            now_s = trio.current_time()
            self.record.welcomes.append((now_s, now_s - welcomed_s))

    # --- acts ----------------------------------------------------------------------------

    async def act(self, act: Act) -> None:
        match act:
            case Wait(for_s):
                await trio.sleep(for_s)
            case Give():
                await self._give(act)
            case Withdraw(ago):
                await self._withdraw(ago)
            case Cut():
                self._network.cut("headend")
            case Refuse(for_s):
                self._nursery.start_soon(self._for_a_time, "refuse", for_s, self._refuse)
            case Stall(for_s):
                self._nursery.start_soon(self._for_a_time, "stall", for_s, self._stall)
            case KillAgent():
                await self._kill_agent(act)
            case KillHeadend(for_s):
                await self._kill_headend(for_s)
            case Upset(how, for_s):
                self._device.mood = how
                self._nursery.start_soon(self._for_a_time, "upset", for_s, self._upset)

    async def _give(self, give: Give) -> None:
        if self._headend is None:
            return
        number = len(self._ids) + 1
        mw = round(number * STEP_MW + (5.0 if give.beyond else 0.0), 6)
        now_us = self.runtime.wall_us()
        start_us = None if give.start_in_s is None else now_us + round(give.start_in_s * 1e6)
        dispatch = await self._headend.order(
            AssetOrder(
                ASSET_ID,
                mw,
                duration_us=None if give.duration_s is None else round(give.duration_s * 1e6),
                priority=give.priority,
                start_us=start_us,
                expires_in_us=None if give.expires_in_s is None else round(give.expires_in_s * 1e6),
            )
        )
        self._ids[mw] = dispatch.id

    async def _withdraw(self, ago: int) -> None:
        ids = list(self._ids.values())
        if self._headend is not None and ago < len(ids):
            await self._cancel(self._headend, ids[-1 - ago])

    async def _cancel(self, headend: Headend, dispatch_id: str) -> None:
        dispatch = headend.desk.get(dispatch_id)
        if dispatch is not None and dispatch.state not in ENDED:
            await headend.desk.cancel(dispatch_id, "withdrawn")

    async def _for_a_time(self, what: str, for_s: float, turn: Callable[[bool], None]) -> None:
        """Turns it on, unless it is on already, and off once nobody wants it any more."""
        self._wanted[what] += 1
        if self._wanted[what] == 1:
            turn(True)
        await trio.sleep(for_s)
        self._wanted[what] -= 1
        if self._wanted[what] == 0:
            turn(False)

    def _refuse(self, on: bool) -> None:
        self._network.refuse("headend", on)

    def _stall(self, on: bool) -> None:
        self._network.stall("headend", on)

    def _upset(self, on: bool) -> None:
        if on:
            self._upset_s = trio.current_time()
        else:
            self._device.mood = "well"
            # What it was told meanwhile it may still be at.
            still_s = trio.current_time() + TELL_TIMEOUT_S
            self.record.unwilling.append(Span(self._upset_s, still_s))

    def note_heard(self) -> None:
        """A message of the headend reached the agent."""
        now_s = trio.current_time()
        if now_s - self._heard_s > ALIVE_S:
            self.record.silent.append(Span(self._heard_s, now_s))
        self._heard_s = now_s

    async def _kill_agent(self, kill: KillAgent) -> None:
        killed_s = trio.current_time()
        # From here on it writes nothing, and its device hears nothing of it.
        self.agent_life += 1
        self._device.lives += 1
        self._network.cut("headend")
        self._agent_scope.cancel()
        await self._agent_gone.wait()
        await trio.sleep(kill.for_s)
        self._clock_s += kill.clock_moves_s
        self._boot += kill.new_boot
        if kill.new_boot and kill.clock_moves_s:
            self.record.misled_s.append(trio.current_time())
        await self.start_agent()
        self.record.down.append(Span(killed_s, trio.current_time()))

    async def _kill_headend(self, for_s: float) -> None:
        self._network.cut("headend")
        self._headend_scope.cancel()
        await self._headend_gone.wait()
        await trio.sleep(for_s)
        await self.start_headend()

    # --- the end -------------------------------------------------------------------------

    async def finish(self) -> None:
        """Withdraws what has no end, waits until all else has one, and reads the journal."""
        await trio.sleep(HEAL_S)
        assert self._headend is not None
        for dispatch_id in self._ids.values():
            dispatch = self._headend.desk.get(dispatch_id)
            if dispatch is not None and dispatch.duration_us is None:
                await self._cancel(self._headend, dispatch_id)
        await trio.sleep(HEAL_S)
        for dispatch_id in self._ids.values():
            dispatch = await self._headend.history.dispatch(dispatch_id)
            assert dispatch is not None, "an order that was answered is gone"
            self.record.dispatches[dispatch_id] = dispatch
        self.record.ended_s = trio.current_time()
        self.record.told = [
            Told(at_s, None if mw is None else self._ids.get(mw)) for at_s, mw in self._device.told
        ]


@dataclass
class _Mortal:
    """What a process does with its disk, as long as it lives."""

    world: _World
    life: int

    async def __call__(
        self, work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None
    ) -> T:
        if self.life != self.world.agent_life:
            raise OSError("the process is dead")
        done = await self.world.runtime.run_blocking(work, limiter=limiter)
        if isinstance(done, OutboxFile):
            self.world.files.append(done)
        return done


async def _play(folder: Path, script: Script) -> Record:
    hear = AgentBoard.hear
    async with trio.open_nursery() as nursery:
        world = _World(folder, script, nursery)

        def hear_and_note(board: AgentBoard) -> None:
            hear(board)
            world.note_heard()

        with patch.object(AgentBoard, "hear", hear_and_note):
            await world.start_headend()
            await world.start_agent()
            for act in script.acts:
                await world.act(act)
            await world.finish()
            nursery.cancel_scope.cancel()
    for file in world.files:
        file.close()
    return world.record


def play(folder: Path, script: Script) -> Record:
    """What happened."""
    with deterministic_trio(script.seed):
        return trio.run(_play, folder, script, clock=MockClock(autojump_threshold=0))
