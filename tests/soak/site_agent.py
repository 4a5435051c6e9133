"""One site's agent in a run: its processes, one life after another, and what taps on it tell."""

import math
import random
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

import trio

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.devices import Device, Measurement
from deragent.event_lines import EventKind, EventLine
from deragent.outbox.outbox_file import OutboxFile
from deragent.tasks.agent_board import AgentBoard
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset
from derproto.der.v1 import QualityBit
from derproto.system.reloading import Reloads
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole
from tests.soak.devices import Meter
from tests.support.dispatch.record import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.soak.world import SoakWorld

T = TypeVar("T")

ALIVE_S = 10.0
"""The headend's longest silence in a session that is well."""


REPEATED = -1
"""In place of a reading, for a row that repeats the last answer of a silent device."""

READING_BITS = 32


def pack_reading(asset: int, reading: int) -> int:
    """Both numbers as one, so that a week of rows fits into an array."""
    return asset << READING_BITS | reading


def unpack_reading(packed: int) -> tuple[int, int]:
    """(asset's number, reading's number)."""
    return packed >> READING_BITS, packed & (1 << READING_BITS) - 1


@dataclass(eq=False)
class SiteAgent:
    """An agent, or a copy of one, with its meters."""

    world: "SoakWorld"
    number: int
    agent_id: str
    site_id: str
    numbers: tuple[int, ...]
    """The numbers of its assets."""
    meters: dict[str, Meter]
    """By asset id."""
    data: Path
    token_file: Path
    is_copy: bool = False
    over_tls: bool = False
    """It shows a certificate instead of a token."""
    clock_us: int = 0
    """How far its clock is ahead."""
    boot: int = 0
    life: int = 0
    board: AgentBoard | None = None
    certificates: CertificateKeeper | None = None
    connected_s: float | None = None
    """Since when it has had a session; None = it has none."""
    down: list[Span] = field(default_factory=list)
    killed: list[Span] = field(default_factory=list)
    """The part of ``down`` that began without an orderly stop."""
    silent: list[Span] = field(default_factory=list)
    welcomes: list[tuple[float, float]] = field(default_factory=list)
    misled_s: list[float] = field(default_factory=list)
    files: list[OutboxFile] = field(default_factory=list)
    heard_s: float = 0.0
    boots: "dict[int, array[int]]" = field(default_factory=dict)
    """The packed reading of each row, in the order of sequence numbers, by ``boot_id``."""
    _clock_set: list[tuple[float, int]] = field(default_factory=list)
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _gone: trio.Event = field(default_factory=trio.Event)
    _stopping: trio.Event = field(default_factory=trio.Event)

    @property
    def host(self) -> str:
        """The name under which it dials the headend, so that faults may strike it alone."""
        return f"to-{self.number}{'-copy' if self.is_copy else ''}"

    def set_clock(self, by_us: int) -> None:
        """Moves its clock."""
        self.clock_us += by_us
        self._clock_set.append((trio.current_time(), self.clock_us))

    def clock_at(self, at_s: float) -> int:
        """How far its clock was ahead at that time, microseconds."""
        return next((us for set_s, us in reversed(self._clock_set) if set_s <= at_s), 0)

    def stamps_again(self, from_s: float, to_s: float) -> bool:
        """Whether its clock, set back, gave the times between these two once more."""
        offset_s = self.clock_at(from_s) / 1e6
        steps = [(0.0, 0), *self._clock_set, (math.inf, 0)]
        return any(
            not began_s <= from_s < ended_s
            and began_s + ahead_us / 1e6 < to_s + offset_s
            and ended_s + ahead_us / 1e6 > from_s + offset_s
            for (began_s, ahead_us), (ended_s, _) in pairwise(steps)
        )

    def wall_us(self) -> int:
        return self.world.runtime.wall_us() + self.clock_us

    async def start(self) -> None:
        if self.over_tls:
            files = self.world.authority.agent_files(self.agent_id)
            self.certificates = CertificateKeeper([files], self.world.runtime)
            await self.certificates.load(Reloads(self.world.runtime))
        self._scope, self._gone = trio.CancelScope(), trio.Event()
        self._stopping = trio.Event()
        self.board = await self.world.nursery.start(self._run)

    async def _run(self, task_status: trio.TaskStatus[AgentBoard]) -> None:
        self.life += 1
        boot = f"boot {self.boot}"
        runtime = Runtime(
            wall_us=self.wall_us,
            run_blocking=_Mortal(self, self.life),
            since_boot=lambda: (boot, round(trio.current_time() * 1e6)),
        )

        async def open_device(asset: Asset, _runtime: Runtime) -> Device:
            return self.meters[asset.id].open(self.wall_us)

        try:
            with self._scope:
                await run_agent(
                    AgentPlan(
                        self.agent_id,
                        self.site_id,
                        tuple(meter.asset for meter in self.meters.values()),
                    ),
                    runtime=runtime,
                    dial=self._dial,
                    rng=random.Random(self.world.rng.getrandbits(64)),
                    authority="headend",
                    scheme="https" if self.over_tls else "http",
                    token_file=None if self.over_tls else self.token_file,
                    on_event=self._note,
                    open_device=open_device,
                    data=self.data,
                    stopping=self._stopping,
                    task_status=task_status,
                )
        finally:
            self.board = self.connected_s = None
            self._gone.set()

    async def _dial(self) -> trio.abc.Stream:
        stream = await self.world.network.connect(self.host)
        if self.certificates is None:
            return stream
        context = self.certificates.context(TlsRole.AGENT)
        assert context is not None
        return trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)

    def _note(self, event: EventLine) -> None:
        account, now_s = self.world.account, trio.current_time()
        if event.kind is EventKind.CONNECTED:
            self.connected_s = now_s
            if not self.is_copy:
                account.connected_at.setdefault(self.number, array("d")).append(now_s)
                self._note_welcome(now_s)
        elif event.kind in (EventKind.DISCONNECTED, EventKind.CONNECTING):
            self.connected_s = None
        account.events[event.kind.value] += 1
        state = event.detail.get("state", "")
        account.note(now_s, self.host, event.kind.value, state)

    def _note_welcome(self, now_s: float) -> None:
        headend = self.world.headend
        if headend is None:
            return
        for session in reversed(headend.sessions.live):
            if session.record.agent_id == self.agent_id:
                sent_us = session.record.connected_us
                self.welcomes.append((now_s, now_s - self.world.seconds(sent_us)))
                return

    def note_heard(self) -> None:
        """A message of the headend reached it."""
        now_s = trio.current_time()
        if now_s - self.heard_s > ALIVE_S:
            self.silent.append(Span(self.heard_s, now_s))
        self.heard_s = now_s

    async def kill(self, *, power_cut: bool = False) -> None:
        """Ends the process at once. From here on it writes nothing, and no device hears it.

        A kernel closes the connections of a dead process; after a power cut nobody does.
        """
        self.life += 1
        for meter in self.meters.values():
            meter.life += 1
        network = self.world.network
        (network.lose if power_cut else network.cut)(self.host)
        self._scope.cancel()
        await self._gone.wait()
        # The kernel closes the files of a dead process.
        for file in self.files:
            file.close()
        self.files.clear()

    async def stop(self) -> None:
        """Ends the process in order."""
        self._stopping.set()
        await self._gone.wait()
        self.files.clear()


@dataclass
class _Mortal:
    """What a process does with its disk, as long as it lives."""

    agent: SiteAgent
    life: int

    async def __call__(
        self, work: "Callable[[], T]", /, *, limiter: trio.CapacityLimiter | None = None
    ) -> T:
        if self.life != self.agent.life:
            raise OSError("the process is dead")
        done = await self.agent.world.runtime.run_blocking(work, limiter=limiter)
        if isinstance(done, OutboxFile):
            self.agent.files.append(done)
        return done


@contextmanager
def tapped(world: "SoakWorld") -> Iterator[None]:
    """Taps on all agents for the block: what they hear, what they measure, what is acknowledged.

    The taps stand at the border of the board, before outbox and uplink see a sample and after
    they have taken an acknowledgement.
    """
    hear, add_sample, acked = AgentBoard.hear, AgentBoard.add_sample, AgentBoard.acked

    def hear_and_note(board: AgentBoard) -> None:
        hear(board)
        agent = world.agent_of(board)
        if agent is not None:
            agent.note_heard()

    def add_and_note(
        board: AgentBoard, asset_index: int, measurement: Measurement, quality: int
    ) -> None:
        skipped = board.counts.skipped_samples
        add_sample(board, asset_index, measurement, quality)
        if board.counts.skipped_samples == skipped:
            world.note_row(board, asset_index, measurement, fresh=not quality & _STALE)

    def ack_and_note(
        board: AgentBoard,
        boot_id: int,
        ranges: list[tuple[int, int]],
        refused: list[tuple[int, int]],
    ) -> None:
        acked(board, boot_id, ranges, refused)
        world.note_acked(boot_id, ranges)

    with ExitStack() as taps:
        for name, tap in (
            ("hear", hear_and_note),
            ("add_sample", add_and_note),
            ("acked", ack_and_note),
        ):
            taps.enter_context(patch.object(AgentBoard, name, tap))
        yield


_STALE = int(QualityBit.STALE_DEVICE)
