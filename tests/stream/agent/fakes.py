"""A headend and devices that a test controls, and that record what they see."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from deragent.config import AgentPlan
from deragent.devices import Device, DeviceError, Limits, Measurement, Nameplate
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, Failsafe
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from derproto.triogrpc.testing import MemoryNetwork
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0

RECEIVED = v1.DispatchState.RECEIVED
STARTED = v1.DispatchState.STARTED
COMPLETED = v1.DispatchState.COMPLETED
REJECTED = v1.DispatchState.REJECTED
FAILED = v1.DispatchState.FAILED
CANCELLED = v1.DispatchState.CANCELLED
SUPERSEDED = v1.DispatchState.SUPERSEDED
EXPIRED = v1.DispatchState.EXPIRED

AFTER_A_MINUTE = Failsafe()
"""An asset's failsafe unless its file says otherwise."""
HOLD = Failsafe(after_s=0.0)
"""However long the headend is silent."""


def asset(
    number: int, *, default_mw: float | None = 0.0, failsafe: Failsafe = AFTER_A_MINUTE
) -> Asset:
    """A battery of 2 MW."""
    return make_asset(
        numbered_id(number),
        name=f"battery-{number}",
        default_mw=default_mw,
        failsafe=failsafe,
        energy_mwh=4.0,
    )


def plan(
    assets: int = 1, *, default_mw: float | None = 0.0, failsafe: Failsafe = AFTER_A_MINUTE
) -> AgentPlan:
    """An agent with that many batteries."""
    batteries = tuple(asset(n, default_mw=default_mw, failsafe=failsafe) for n in range(assets))
    return AgentPlan("agent-1", None, batteries)


class FakeDevice(Device):
    """Holds its setpoint. ``broken`` makes it fail, ``hung`` makes it not answer."""

    def __init__(self, asset: Asset) -> None:
        self.accepted = asset.limits
        """The limits that it says it has."""
        self.mw = 0.0
        self.told: list[tuple[float, float | None]] = []
        """(Trio's time to 0.1 s, MW) of each apply that succeeded; None for a release."""
        self.ramps: list[float | None] = []
        """The ramp rate of each of these that was not a release, MW/s."""
        self.reads = 0
        self.reading = Measurement(status=v1.OperatingState.RUNNING)
        """What it measures besides its power."""
        self.nameplate = Nameplate()
        self.running = 0
        """Tasks of its own that run now."""
        self.told_alone = 0
        """Commands that came while it did not run."""
        self.broken = False
        self.hung = False
        self.slow_s = 0.0
        """Time that the device needs to take a command."""
        self.most_at_once = 0
        """Greatest number of commands under way at the same time."""
        self._under_way = 0

    @property
    def limits(self) -> Limits:
        return self.accepted

    async def read(self) -> Measurement:
        await self._answer()
        self.reads += 1
        return replace(self.reading, p_mw=self.mw)

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await self._be_told()
        self.mw = mw
        self.ramps.append(ramp_mw_per_s)
        self.told.append((round(trio.current_time(), 1), mw))
        return mw

    async def release(self) -> None:
        await self._be_told()
        self.told.append((round(trio.current_time(), 1), None))

    async def identify(self) -> Nameplate:
        await self._answer()
        return self.nameplate

    async def run(self) -> None:
        self.running += 1
        try:
            await trio.sleep_forever()
        finally:
            self.running -= 1

    async def _be_told(self) -> None:
        self.told_alone += not self.running
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            await self._answer()
            await trio.sleep(self.slow_s)
        finally:
            self._under_way -= 1

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.hung:
            await trio.sleep_forever()
        if self.broken:
            raise DeviceError("no answer on the bus")


class FakeDevices:
    """The devices of one agent, by asset id."""

    def __init__(self) -> None:
        self.by_id: dict[str, FakeDevice] = {}

    async def open(self, asset: Asset, runtime: Runtime) -> FakeDevice:
        await trio.lowlevel.checkpoint()
        return self.by_id.setdefault(asset.id, FakeDevice(asset))

    def __getitem__(self, index: int) -> FakeDevice:
        return list(self.by_id.values())[index]


@dataclass
class FakeSession:
    """One stream, as the headend saw it."""

    stream: ServerStream
    register: v1.Register
    welcomed_s: float
    messages: list[tuple[float, v1.AgentMessage]] = field(default_factory=list)
    """(Trio's time, message) after Register."""
    ended_s: float | None = None
    half_closed: bool = False
    """Whether the agent ended its half of the stream; else the link broke."""

    @property
    def reports(self) -> list[tuple[float, v1.DispatchReport]]:
        return [(at, m.dispatch_report) for at, m in self.messages if m.dispatch_report is not None]

    @property
    def states(self) -> list[v1.DispatchState]:
        return [report.state for _, report in self.reports]

    @property
    def telemetry(self) -> list[tuple[float, v1.Telemetry]]:
        return [(at, m.telemetry) for at, m in self.messages if m.telemetry is not None]

    @property
    def heartbeats(self) -> list[tuple[float, v1.Heartbeat]]:
        return [(at, m.heartbeat) for at, m in self.messages if m.heartbeat is not None]

    def readings(self) -> list[tuple[float, int, int, float]]:
        """(Trio's time, asset index, ``ts_us``, ``p_mw``) of each row, in the order of time."""
        return sorted(
            (at, index, ts_us, p_mw)
            for at, t in self.telemetry
            for index, ts_us, p_mw in zip(t.asset_index, t.ts_us, t.p_mw, strict=True)
        )

    def seqs(self, *, backfill: bool) -> list[int]:
        """Sequence numbers received, in their order."""
        return [
            t.first_seq + i
            for _, t in self.telemetry
            if t.backfill is backfill
            for i in range(len(t.ts_us))
        ]

    async def send(self, message: v1.HeadendMessage) -> None:
        await self.stream.send_message(message)

    async def order(
        self,
        dispatch_id: str,
        mw: float,
        *,
        seconds: float | None = None,
        delay_s: float = 0.0,
        sent_s: float | None = None,
        index: int = 0,
        priority: int = 128,
        ramp_mw_per_s: float | None = None,
    ) -> None:
        """Sends a setpoint, as if it had been written ``sent_s`` after Welcome (now)."""
        since_s = trio.current_time() - self.welcomed_s if sent_s is None else sent_s
        setpoint = v1.Setpoint(
            dispatch_id=dispatch_id,
            asset_index=index,
            mw=mw,
            priority=priority,
            start_delay_us=round(delay_s * 1e6),
            remaining_us=None if seconds is None else round((delay_s + seconds) * 1e6),
            sent_at_session_us=round(since_s * 1e6),
            ramp_mw_per_s=ramp_mw_per_s,
        )
        await self.send(v1.HeadendMessage(setpoint=setpoint))

    @property
    def gaps(self) -> list[v1.GapReport]:
        return [m.gap_report for _, m in self.messages if m.gap_report is not None]

    async def ack_gaps(self) -> None:
        """Acknowledges every report of a gap so far."""
        for report in self.gaps:
            gap = v1.GapAck(number=report.number, revision=report.revision)
            ack = v1.TelemetryAck(boot_id=report.boot_id, gaps=[gap])
            await self.send(v1.HeadendMessage(telemetry_ack=ack))

    async def ack(self, first: int, last: int, *, boot_id: int | None = None) -> None:
        ack = v1.TelemetryAck(
            boot_id=self.register.boot_id if boot_id is None else boot_id,
            durable=[v1.SeqRange(first=first, last=last)],
        )
        await self.send(v1.HeadendMessage(telemetry_ack=ack))


class FakeHeadend:
    """Welcomes every agent, acknowledges its rows, and sends Alive."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.sessions: list[FakeSession] = []
        self.welcome = v1.Welcome(
            telemetry_period_ms=4000,
            heartbeat_period_ms=30_000,
            alive_period_ms=10_000,
            agent_silence_limit_ms=45_000,
            headend_silence_limit_ms=30_000,
            max_rows_per_message=5000,
        )
        self.refused: dict[int, v1.GrantResult] = {}
        self.acks = True
        self.alive = True
        self.welcomes = True
        self._changed = trio.Event()

    @property
    def session(self) -> FakeSession:
        """The newest session."""
        return self.sessions[-1]

    async def serve(
        self,
        listener: trio.abc.Listener[Any] | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves on ``listener``, else under the name ``headend`` in its network."""
        server = Server({SESSION: self._serve_session}, codec=MessageCodec())
        listening = self.network.listen("headend") if listener is None else listener
        await server.serve([listening], task_status=task_status)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Waits until ``holds``; looks after each message, and each start or end of a session."""
        with trio.fail_after(3600):
            while not holds():
                await self._changed.wait()

    async def wait_session(self, number: int) -> FakeSession:
        """The session of that number, from 1, once it is welcomed."""
        await self.wait_until(lambda: len(self.sessions) >= number)
        return self.sessions[number - 1]

    async def wait_states(self, *states: v1.DispatchState) -> None:
        """Waits until the newest session has reported these states, in this order."""
        await self.wait_until(lambda: self.session.states == list(states))

    def slow_down(self) -> None:
        """Long periods, so that a test of many hours has less to carry."""
        self.welcome.telemetry_period_ms = self.welcome.heartbeat_period_ms = 3_600_000
        self.welcome.alive_period_ms = 600_000
        self.welcome.headend_silence_limit_ms = 1_800_000

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve_session(self, stream: ServerStream) -> None:
        first = await stream.recv_message()
        assert first is not None
        assert first.register is not None
        if not self.welcomes:
            await trio.sleep_forever()
        session = FakeSession(stream, first.register, trio.current_time())
        await stream.send_message(v1.HeadendMessage(welcome=self._welcome(first.register)))
        self.sessions.append(session)
        self._notify()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_alive, session)
                while (message := await stream.recv_message()) is not None:
                    session.messages.append((trio.current_time(), message))
                    telemetry = message.telemetry
                    if telemetry is not None and self.acks:
                        last = telemetry.first_seq + len(telemetry.ts_us) - 1
                        await session.ack(telemetry.first_seq, last, boot_id=telemetry.boot_id)
                    self._notify()
                session.half_closed = True
                nursery.cancel_scope.cancel()
        finally:
            session.ended_s = trio.current_time()
            self._notify()

    async def _keep_alive(self, session: FakeSession) -> None:
        while True:
            await trio.sleep(self.welcome.alive_period_ms / 1000)
            if self.alive:
                since_us = round((trio.current_time() - session.welcomed_s) * 1e6)
                await session.send(v1.HeadendMessage(alive=v1.Alive(session_us=since_us)))

    def _welcome(self, register: v1.Register) -> v1.Welcome:
        grants = [
            v1.AssetGrant(
                asset_index=index,
                result=self.refused.get(index, v1.GrantResult.GRANTED),
                detail="not in the fleet" if index in self.refused else "",
            )
            for index in range(len(register.asset_ids))
        ]
        fields = {
            name: getattr(self.welcome, name)
            for name in (
                "telemetry_period_ms",
                "heartbeat_period_ms",
                "alive_period_ms",
                "agent_silence_limit_ms",
                "headend_silence_limit_ms",
                "max_rows_per_message",
            )
        }
        return v1.Welcome(
            session_id=f"session-{len(self.sessions)}",
            assets=grants,
            clock_us=T0 + round(trio.current_time() * 1e6),
            **fields,
        )
