"""A headend's sessions over a network in memory, and agents written by hand."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
from grpclib import GRPCError, Status

from derhead.audit import AuditTrail
from derhead.dispatch import AssetOrder, Dispatch, DispatchDesk
from derhead.dispatch.desk.inputs import OrderRecord
from derhead.gaps import GapLedger, GapLimits, GapRecord
from derhead.sessions import (
    AgentIdentities,
    HeartbeatRecord,
    SessionLimits,
    SessionRecord,
    Sessions,
)
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.der.v1 import AgentMessage, HeadendMessage, Register, Telemetry
from derproto.headend_rpc import SESSION, ColumnCodec, MessageCodec
from derproto.triogrpc import ClientStream, LinkLimits, Server, connect
from derproto.triogrpc.testing import MemoryNetwork
from tests.support.assets import fleet_of, make_asset, numbered_id
from tests.support.audit_notes import AuditNotes
from tests.support.epoch import T0

SITE = "00000000-0000-4000-8000-00000000000a"
A1, A2, OWNED = (numbered_id(n) for n in (1, 2, 3))
"""``OWNED`` may be claimed by the agent ``owner`` only."""
UNKNOWN = "00000000-0000-4000-8000-0000000000ff"

FLEET = fleet_of(
    make_asset(A1, site_id=SITE),
    make_asset(A2, site_id=SITE),
    make_asset(OWNED, site_id=SITE, agent="owner"),
)


@dataclass
class Store:
    """A journal in memory that makes samples durable when told to."""

    samples: list[Sample] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    notes: list[SessionRecord | HeartbeatRecord | GapRecord] = field(default_factory=list)
    gaps: list[GapRecord] = field(default_factory=list)
    """What was appended with samples."""
    held_up: bool = False
    hold_acks: bool = False

    def append_telemetry_nowait(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool:
        if self.held_up:
            return False
        self.samples += samples
        self.gaps += gaps
        if self.hold_acks:
            self.waiting.append(on_durable)
        else:
            on_durable()
        return True

    async def append_telemetry(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> None:
        await trio.sleep_forever()

    def note(self, record: SessionRecord | HeartbeatRecord | GapRecord) -> None:
        self.notes.append(record)

    async def write(self, *records: Dispatch | OrderRecord) -> None:
        await trio.lowlevel.checkpoint()

    async def open_dispatches(self) -> Sequence[Dispatch]:
        await trio.lowlevel.checkpoint()
        return ()

    def ends(self) -> list[tuple[str, str | None]]:
        return [
            (note.agent_id, note.end_reason)
            for note in self.notes
            if isinstance(note, SessionRecord) and note.ended_us is not None
        ]


@dataclass
class Bench:
    """A headend's sessions on a network, and agents to call them with."""

    network: MemoryNetwork
    store: Store
    desk: DispatchDesk
    latest: LatestTable
    sessions: Sessions
    server: Server
    runtime: Runtime
    audited: AuditNotes

    @asynccontextmanager
    async def stream(
        self, window_bytes: int | None = None, token: str | None = None
    ) -> AsyncIterator[ClientStream]:
        """A stream on which nothing was said, and that takes so much before it is read."""
        metadata = None if token is None else {"authorization": f"Bearer {token}"}
        limits = None if window_bytes is None else LinkLimits(stream_window_bytes=window_bytes)
        memory, codec = await self.network.connect("headend"), MessageCodec()
        async with connect(memory, authority="headend", codec=codec, limits=limits) as channel:
            async with channel.request(SESSION, metadata=metadata) as stream:
                await stream.send_request()
                yield stream

    @asynccontextmanager
    async def agent(
        self,
        agent_id: str = "x",
        *assets: str,
        window_bytes: int | None = None,
        token: str | None = None,
        **register: Any,
    ) -> AsyncIterator[ClientStream]:
        """A stream that has registered; its Welcome is still to be received."""
        async with self.stream(window_bytes, token) as stream:
            await stream.send_message(
                AgentMessage(
                    register=Register(
                        agent_id=agent_id,
                        asset_ids=list(assets or (A1, A2)),
                        **{"boot_id": 7, **register},
                    )
                )
            )
            yield stream

    @asynccontextmanager
    async def welcomed(
        self, agent_id: str = "x", *assets: str, **register: Any
    ) -> AsyncIterator[ClientStream]:
        """A stream that has registered and received its Welcome."""
        async with self.agent(agent_id, *assets, **register) as stream:
            await receive(stream, "welcome")
            yield stream


async def start_bench(
    nursery: trio.Nursery,
    limits: SessionLimits | None = None,
    link_limits: LinkLimits | None = None,
    identities: AgentIdentities | None = None,
    tls: ssl.SSLContext | None = None,
) -> Bench:
    """A headend's sessions, its desk and its gaps, over a journal in memory."""
    runtime = virtual_runtime(T0)
    store, latest, network = Store(), LatestTable(), MemoryNetwork()
    audited = AuditNotes()
    desk = DispatchDesk(store, runtime)
    await nursery.start(desk.run)
    gaps = GapLedger(FLEET.assets, latest, store, GapLimits.of_period(4000, 10_000_000), runtime)
    sessions = Sessions(
        FLEET,
        desk=desk,
        latest=latest,
        gaps=gaps,
        store=store,
        limits=limits or SessionLimits(),
        audit=AuditTrail(audited, runtime),
        runtime=runtime,
        identities=identities,
    )
    nursery.start_soon(sessions.run)
    nursery.start_soon(gaps.run)
    server = Server({SESSION: sessions.serve}, codec=ColumnCodec(), limits=link_limits)
    listener = network.listen("headend")
    over = listener if tls is None else trio.SSLListener(listener, tls, https_compatible=True)
    await nursery.start(server.serve, [over])
    return Bench(network, store, desk, latest, sessions, server, runtime, audited)


async def receive(stream: ClientStream, kind: str) -> Any:
    """The next message, which must be of this kind; Alive is passed over."""
    while True:
        message = await stream.recv_message()
        assert isinstance(message, HeadendMessage), "the stream ended"
        if message.alive is None or kind == "alive":
            break
    body = getattr(message, kind)
    assert body is not None, message
    return body


async def status_of(stream: ClientStream) -> tuple[Status, str | None]:
    """How the stream ends."""
    try:
        while await stream.recv_message() is not None:
            pass
        await stream.recv_trailing_metadata()
    except GRPCError as error:
        return error.status, error.message
    return Status.OK, None


def telemetry(first_seq: int, *index: int, p_mw: float = 1.0, ts_us: int = T0) -> AgentMessage:
    return AgentMessage(
        telemetry=Telemetry(
            boot_id=7,
            first_seq=first_seq,
            asset_index=list(index),
            ts_us=[ts_us] * len(index),
            p_mw=[p_mw] * len(index),
        )
    )


def in_a_row(count: int) -> list[AssetOrder]:
    """Orders that do not touch each other, beginning a minute from now."""
    minute = 60_000_000
    return [
        AssetOrder(A1, 0.5, minute, start_us=T0 + (place + 1) * minute) for place in range(count)
    ]
