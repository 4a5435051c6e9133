"""Faults are dealt in time, and mended whatever happens; in virtual time, without processes."""

import random
import signal
from functools import partial

import trio
from trio.testing import MockClock, memory_stream_pair

from derproto.base.runtime import virtual_runtime
from launcher.drilling.fault_dealing import UP_S, FaultDealer
from launcher.drilling.process_seat import ProcessSeat
from launcher.drills.fault_kinds import FaultKind, Scope, TimedFault, Victim
from launcher.links.agent_link import AgentLink
from tests.support.epoch import T0, S


class ToySeat(ProcessSeat):
    """A seat whose process lives in the test."""

    def __init__(self, who: str, *, starts: bool = True) -> None:
        super().__init__(who)
        self.did: list[tuple[float, str]] = []
        self.refuses = False
        if starts:
            self._up.set()
            self._down = trio.Event()

    def _note(self, what: str) -> None:
        self.did.append((round(trio.current_time(), 3), what))

    def send(self, number: signal.Signals) -> None:
        if not self._up.is_set():
            return
        self._note(number.name)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._up = trio.Event()
            self._down.set()

    def limit_files(self, most_bytes: int | None) -> None:
        if self.refuses:
            raise PermissionError("not on this machine")
        self._note(f"limit {most_bytes}")

    async def restart(self) -> None:
        """What a supervisor does."""
        await self.wait_down()
        await self.wait_free()
        self._note("starts")
        self._up.set()


class Toys:
    """A dealer with one agent and a headend."""

    def __init__(self, *, starts: bool = True) -> None:
        self.agent, self.headend = ToySeat("agent", starts=starts), ToySeat("headend")
        self.answers = trio.Event()
        self.answers.set()
        self.told: list[tuple[str, dict[str, object]]] = []
        self.ours, theirs = memory_stream_pair()

        async def dial() -> trio.abc.Stream:
            return theirs

        self.link = AgentLink(dial)
        self.dealer = FaultDealer(
            *({"agent": self.link}, {"agent": self.agent}, self.headend, lambda: self.answers),
            *(virtual_runtime(T0), self.tell),
        )

    def tell(self, said: str, **keys: object) -> None:
        self.told.append((said, keys))

    async def deal(self, kind: FaultKind, for_s: float, *, headend: bool = False) -> None:
        victim = Victim(Scope.HEADEND if headend else Scope.ANY_AGENT)
        agents = () if headend else ("agent",)
        fault = TimedFault(0.0, kind, for_s, victim, agents, headend)
        await self.dealer.deal(fault, random.Random(1))


async def test_a_killed_agent_stays_away_for_as_long(autojump_clock: MockClock) -> None:
    toys = Toys()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(toys.agent.restart)
        await toys.deal(FaultKind.KILL, 3.0)
    assert toys.agent.did == [(0, "SIGKILL"), (3, "starts")]
    (struck,) = toys.dealer.struck
    assert (struck.from_us, struck.to_us, struck.victim) == (T0, T0 + 3 * S, "agent")
    assert [said for said, _keys in toys.told] == ["fault", "fault over"]


async def test_a_restarted_headend_is_mended_once_it_answers(autojump_clock: MockClock) -> None:
    toys = Toys()

    async def answer_later() -> None:
        await toys.headend.wait_down()
        toys.answers = trio.Event()
        await toys.headend.restart()
        await trio.sleep(2)
        toys.answers.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_later)
        await toys.deal(FaultKind.RESTART, 1.0, headend=True)
    assert toys.headend.did == [(0, "SIGTERM"), (1, "starts")]
    assert toys.dealer.struck[0].to_us == T0 + 3 * S


async def test_a_frozen_process_thaws_even_if_the_drill_is_cut_short(
    autojump_clock: MockClock,
) -> None:
    toys = Toys()
    await toys.deal(FaultKind.FREEZE, 2.0)
    with trio.move_on_after(1):
        await toys.deal(FaultKind.FREEZE, 60.0)
    assert toys.agent.did == [(0, "SIGSTOP"), (2, "SIGCONT"), (2, "SIGSTOP"), (3, "SIGCONT")]


async def test_a_full_disk_has_room_again_and_a_machine_that_forbids_it_is_named(
    autojump_clock: MockClock,
) -> None:
    toys = Toys()
    await toys.deal(FaultKind.DISK_FULL, 2.0)
    assert toys.agent.did == [(0, "limit 0"), (2, "limit None")]
    toys.agent.refuses = True
    await toys.deal(FaultKind.DISK_FULL, 2.0)
    assert toys.dealer.struck[1].skipped == "not on this machine"
    assert toys.told[-1] == (
        "fault skipped",
        {"kind": "disk-full", "target": "agent", "reason": "not on this machine"},
    )


async def test_a_process_that_never_comes_up_is_not_struck(autojump_clock: MockClock) -> None:
    toys = Toys(starts=False)
    await toys.deal(FaultKind.FREEZE, 2.0)
    assert toys.agent.did == []
    (struck,) = toys.dealer.struck
    assert struck.skipped == f"its process was not up within {UP_S:g} s"


async def test_a_fault_waits_until_the_one_before_it_at_the_same_process_is_mended(
    autojump_clock: MockClock,
) -> None:
    toys = Toys()

    async def start_slowly() -> None:
        await toys.headend.wait_down()
        toys.answers = trio.Event()
        await toys.headend.restart()
        await trio.sleep(5)
        toys.answers.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start_slowly)
        nursery.start_soon(partial(toys.deal, FaultKind.KILL, 0.0, headend=True))
        await trio.sleep(1)
        nursery.start_soon(partial(toys.deal, FaultKind.DISK_FULL, 2.0, headend=True))
    assert toys.headend.did == [(0, "SIGKILL"), (0, "starts"), (5, "limit 0"), (7, "limit None")]
    assert [each.from_us - T0 for each in toys.dealer.struck] == [0, 5 * S]


async def test_a_fault_of_a_link_lasts_as_long_as_it_says(autojump_clock: MockClock) -> None:
    toys = Toys()
    agent, relayed = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(toys.link.relay, relayed)
        await agent.send_all(b"hello")
        assert await toys.ours.receive_some() == b"hello"
        await toys.deal(FaultKind.HALF_OPEN, 0.0)
        assert await toys.ours.receive_some() == b""
        nursery.cancel_scope.cancel()
    began_s = trio.current_time()
    await toys.deal(FaultKind.CUT, 4.0)
    assert trio.current_time() - began_s == 4


async def test_a_timetable_is_dealt_in_time_and_side_by_side(autojump_clock: MockClock) -> None:
    toys = Toys()
    faults = [
        TimedFault(at_s, kind, 5.0, Victim(Scope.ALL_AGENTS), ("agent",))
        for at_s, kind in ((1.0, FaultKind.CUT), (2.0, FaultKind.BLACKHOLE))
    ]
    await toys.dealer.deal_all(faults, seed=1)
    assert [(each.from_us - T0, each.to_us - T0) for each in toys.dealer.struck] == [
        *((1 * S, 6 * S), (2 * S, 7 * S))
    ]
    assert {each.victim for each in toys.dealer.struck} == {"all agents"}
