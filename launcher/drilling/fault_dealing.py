"""Deals the faults of a timetable to links and processes, and mends them."""

import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from derproto.base.runtime import Runtime
from launcher.drilling.process_seat import ProcessSeat
from launcher.drills.fault_kinds import LINK_FAULTS, FaultKind, Scope, TimedFault
from launcher.judgement.evidence import StruckFault
from launcher.links.agent_link import AgentLink
from launcher.links.corruption import Corruption

UP_S = 60.0
"""Time that a fault of a process waits for the process, seconds. When over, the fault is left
out, and the verdict says so. The same time is waited for its new start."""

STOP_S = 12.0
"""Time in which a process must stop in order, seconds."""


class TellFault(Protocol):
    """Shows a line about a fault."""

    def __call__(self, said: str, **keys: object) -> None: ...


@dataclass
class FaultDealer:
    """Deals faults, each in a task of its own."""

    links: Mapping[str, AgentLink]
    """By agent."""
    seats: Mapping[str, ProcessSeat]
    """By agent."""
    headend: ProcessSeat
    headend_answers: Callable[[], trio.Event]
    """The event that the headend can be reached, anew for each of its lives."""
    runtime: Runtime
    tell: TellFault
    struck: list[StruckFault] = field(default_factory=list)

    async def deal_all(self, timetable: Sequence[TimedFault], seed: int) -> None:
        """Deals each fault at its time from now; returns once all are mended.

        Cancellation: mends the faults in force at once.
        """
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number, fault in enumerate(timetable):
                await trio.sleep_until(began_s + fault.at_s)
                nursery.start_soon(self.deal, fault, random.Random(f"{seed}/bytes/{number}"))

    async def deal(self, fault: TimedFault, rng: random.Random) -> None:
        """Deals one fault and mends it. The ``rng`` decides which bytes a corrupt link changes."""
        if fault.kind in LINK_FAULTS:
            await self._strike(fault, partial(self._deal_to_links, fault, rng))
            return
        seats = [self.headend] if fault.headend else [self.seats[each] for each in fault.agents]
        async with AsyncExitStack() as stack:
            # A start takes longer than any timetable knows. One order for all: no deadlock.
            for seat in sorted(seats, key=lambda seat: seat.who):
                await stack.enter_async_context(seat.struck)
            up = await self._is_up(fault, seats)
            await self._strike(fault, partial(self._deal_to_processes, fault, seats, up))

    async def _strike(self, fault: TimedFault, deal: Callable[[], Awaitable[None]]) -> None:
        victim = self._victim(fault)
        from_us = self.runtime.wall_us()
        keys = {"kind": fault.kind.value, "target": victim}
        self.tell("fault", **keys, for_s=round(fault.for_s, 1), **fault.parameters)
        skipped = None
        try:
            await deal()
        except OSError as refused:
            skipped = str(refused)
            self.tell("fault skipped", **keys, reason=skipped)
        else:
            self.tell("fault over", **keys)
        to_us = self.runtime.wall_us()
        self.struck.append(
            StruckFault(
                *(fault.kind, victim, fault.agents, fault.headend),
                *(from_us, to_us, skipped),
            )
        )

    def _victim(self, fault: TimedFault) -> str:
        if fault.headend or fault.victim.scope is Scope.ALL_AGENTS:
            return str(fault.victim)
        return " ".join(fault.agents)

    async def _deal_to_links(self, fault: TimedFault, rng: random.Random) -> None:
        links = [self.links[agent_id] for agent_id in fault.agents]
        match fault.kind:
            case FaultKind.HALF_OPEN:
                for link in links:
                    await link.half_open()
            case FaultKind.RESET:
                for link in links:
                    link.reset()
            case _:
                with ExitStack() as stack:
                    for link in links:
                        stack.enter_context(_harm(link, fault, rng))
                    await trio.sleep(fault.for_s)

    async def _is_up(self, fault: TimedFault, seats: Sequence[ProcessSeat]) -> bool:
        with trio.move_on_after(UP_S) as waiting:
            for seat in seats:
                await seat.wait_up()
            if fault.headend:
                await self.headend_answers().wait()
        return not waiting.cancelled_caught

    async def _deal_to_processes(
        self, fault: TimedFault, seats: Sequence[ProcessSeat], up: bool
    ) -> None:
        if not up:
            raise TimeoutError(f"its process was not up within {UP_S:g} s")
        match fault.kind:
            case FaultKind.KILL | FaultKind.RESTART:
                kill = fault.kind is FaultKind.KILL
                number = signal.SIGKILL if kill else signal.SIGTERM
                async with trio.open_nursery() as nursery:
                    for seat in seats:
                        nursery.start_soon(self._end, seat, number, fault.for_s)
                if fault.headend:
                    with trio.move_on_after(UP_S):
                        await self.headend_answers().wait()
            case FaultKind.FREEZE:
                try:
                    for seat in seats:
                        seat.send(signal.SIGSTOP)
                    await trio.sleep(fault.for_s)
                finally:
                    for seat in seats:
                        seat.send(signal.SIGCONT)
            case _:
                try:
                    for seat in seats:
                        seat.limit_files(0)
                    await trio.sleep(fault.for_s)
                finally:
                    for seat in seats:
                        seat.limit_files(None)

    async def _end(self, seat: ProcessSeat, number: signal.Signals, for_s: float) -> None:
        with seat.held():
            seat.send(number)
            with trio.move_on_after(STOP_S):
                await seat.wait_down()
            # One that does not stop is killed, as by systemd.
            seat.send(signal.SIGKILL)
            await seat.wait_down()
            await trio.sleep(for_s)
        with trio.move_on_after(UP_S):
            await seat.wait_up()


def _harm(link: AgentLink, fault: TimedFault, rng: random.Random) -> AbstractContextManager[None]:
    match fault.kind:
        case FaultKind.DELAY:
            return link.delay(fault.parameters["delay_s"])
        case FaultKind.THROTTLE:
            return link.throttle(fault.parameters["bytes_per_s"])
        case FaultKind.CORRUPT:
            every_bytes = int(fault.parameters["every_bytes"])
            return link.corrupt(Corruption(every_bytes, random.Random(rng.getrandbits(64))))
        case FaultKind.CUT:
            return link.cut()
        case _:
            return link.blackhole()
