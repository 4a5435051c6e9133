"""The headend's contract on grpc.aio and google.protobuf, as far as the benchmark needs it.

It keeps the newest row of each asset in a dict. With ``--journal``, rows also go to the journal's
table, in groups like the journal's, and are acknowledged when they are on disk. It has the same
commands and output as ``server_ours.py``.

Each choice here measured best for grpc.aio. A task for each session merges acknowledgements,
which takes 2/3 of the CPU of a write in the reader. The switch interval is CPython's own: with
the headend's short one grpc.aio needs half as much again, because its poller is a thread.
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from bare_sqlite import BareTable, Row
from fleets import agent_number

from derhead.history.journal.embedded import BATCH_ROWS, GROUP_MS

WINDOW_US = 60_000_000
_TELEMETRY_COLUMNS = ("q_mvar", "soc", "voltage_v", "frequency_hz", "status")


class Ack(NamedTuple):
    """Rows of one message."""

    boot_id: int
    first: int
    last: int


class Session:
    """One agent's stream."""

    def __init__(self, pb: Any, number: int, context: Any, asset_ids: list[str]) -> None:
        self.number = number
        self.asset_ids = asset_ids
        self.on_disk: list[Ack] = []
        """Rows to acknowledge once the table has them."""
        self._pb = pb
        self._context = context
        # grpc.aio takes one write at a time.
        self._writing = asyncio.Lock()
        self._unsaid: list[Ack] = []
        self._woken = asyncio.Event()
        self._acknowledging: asyncio.Task[None] | None = None

    async def write(self, message: Any) -> None:
        async with self._writing:
            await self._context.write(message)

    def acknowledge(self, acks: list[Ack]) -> None:
        """Sends acknowledgements soon, merged with those that come until then."""
        self._unsaid += acks
        self._woken.set()
        if self._acknowledging is None:
            self._acknowledging = asyncio.create_task(self._keep_acknowledging())

    async def _keep_acknowledging(self) -> None:
        pb = self._pb
        while True:
            await self._woken.wait()
            self._woken.clear()
            acks, self._unsaid = self._unsaid, []
            # An agent of the benchmark has one boot and sends in order, so one range is enough.
            durable = [pb.SeqRange(first=acks[0].first, last=acks[-1].last)]
            ack = pb.TelemetryAck(boot_id=acks[0].boot_id, durable=durable)
            await self.write(pb.HeadendMessage(telemetry_ack=ack))

    def end(self) -> None:
        if self._acknowledging is not None:
            self._acknowledging.cancel()


class Headend:
    """Sessions, the latest table, and orders."""

    def __init__(self, pb: Any, table: BareTable | None) -> None:
        self._pb = pb
        self._table = table
        self._latest: dict[str, tuple[Any, ...]] = {}
        self._sessions: dict[str, Session] = {}
        self._numbers: dict[str, int] = {}
        self._waiting: list[Row] = []
        self._due = asyncio.Event()
        self._rows = 0
        self._orders = 0
        self._turn: deque[str] = deque()
        self._ordered_at: dict[str, float] = {}
        self._setpoints_us: list[int] = []
        self.rate = 0.0
        self.ordered_agents = sys.maxsize
        self.acks = False

    def stats(self) -> dict[str, Any]:
        times_us, self._setpoints_us = self._setpoints_us, []
        return {"sessions": len(self._sessions), "rows": self._rows, "setpoints_us": times_us}

    async def session(self, requests: object, context: Any) -> None:
        """Serves the rpc."""
        pb = self._pb
        first = await context.read()
        agent_id = first.register.agent_id
        asset_ids = list(first.register.asset_ids)
        number = self._numbers.setdefault(agent_id, len(self._numbers))
        session = Session(pb, number, context, asset_ids)
        grants = [
            pb.AssetGrant(asset_index=i, result=pb.GRANT_RESULT_GRANTED)
            for i in range(len(asset_ids))
        ]
        welcome = pb.Welcome(session_id=agent_id, telemetry_period_ms=4000, assets=grants)
        self._sessions[agent_id] = session
        try:
            await session.write(pb.HeadendMessage(welcome=welcome))
            while (message := await context.read()) is not grpc.aio.EOF:
                kind = message.WhichOneof("body")
                if kind == "telemetry":
                    self._take(session, message.telemetry)
                elif kind == "dispatch_report":
                    self._report(message.dispatch_report)
        finally:
            session.end()
            del self._sessions[agent_id]

    def _take(self, session: Session, telemetry: Any) -> None:
        latest, asset_ids = self._latest, session.asset_ids
        rows = list(
            zip(
                telemetry.asset_index,
                telemetry.ts_us,
                telemetry.p_mw,
                *(getattr(telemetry, name) for name in _TELEMETRY_COLUMNS),
                strict=True,
            )
        )
        for row in rows:
            latest[asset_ids[row[0]]] = row
        self._rows += len(rows)
        ack = Ack(telemetry.boot_id, telemetry.first_seq, telemetry.first_seq + len(rows) - 1)
        if self._table is None:
            if self.acks:
                session.acknowledge([ack])
            return
        received_us = time.time_ns() // 1000
        for seq, (index, ts_us, *values) in enumerate(rows, ack.first):
            asset = session.number * len(asset_ids) + index
            self._waiting.append((asset, ts_us, session.number, seq, received_us, *values, 0, None))
        session.on_disk.append(ack)
        if len(self._waiting) >= BATCH_ROWS:
            self._due.set()

    async def keep_committing(self, table: BareTable) -> None:
        """Commits groups in a thread, like the journal, and acknowledges them afterwards."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), GROUP_MS / 1000)
            self._due.clear()
            if not self._waiting:
                continue
            rows, self._waiting = self._waiting, []
            acks = [(session, session.on_disk) for session in self._sessions.values()]
            for session, _ in acks:
                session.on_disk = []
            await asyncio.to_thread(table.insert, rows)
            for session, durable in acks:
                if durable:
                    session.acknowledge(durable)

    def _report(self, report: Any) -> None:
        if report.state == self._pb.DISPATCH_STATE_STARTED:
            ordered_at = self._ordered_at.pop(report.dispatch_id, None)
            if ordered_at is not None:
                self._setpoints_us.append(round((time.monotonic() - ordered_at) * 1e6))

    async def keep_ordering(self) -> None:
        """Sends setpoints at a steady rate, agent by agent."""
        while True:
            if self.rate and not self._turn:
                self._turn.extend(
                    agent_id
                    for agent_id in self._sessions
                    if agent_number(agent_id) < self.ordered_agents
                )
            if not self.rate or not self._turn:
                await asyncio.sleep(0.01)
                continue
            session = self._sessions.get(self._turn.popleft())
            if session is not None:
                self._orders += 1
                dispatch_id = f"00000000-0000-4000-8000-{self._orders:012}"
                self._ordered_at[dispatch_id] = time.monotonic()
                setpoint = self._pb.Setpoint(
                    dispatch_id=dispatch_id, mw=1.0, priority=128, remaining_us=WINDOW_US
                )
                await session.write(self._pb.HeadendMessage(setpoint=setpoint))
            await asyncio.sleep(1 / self.rate)


async def serve(pb: Any, table: BareTable | None) -> None:
    """Runs until standard input ends."""
    headend = Headend(pb, table)
    server = grpc.aio.server()
    method = grpc.stream_stream_rpc_method_handler(
        headend.session,
        request_deserializer=pb.AgentMessage.FromString,
        response_serializer=pb.HeadendMessage.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler("der.v1.Headend", {"Session": method})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    tasks = [asyncio.create_task(headend.keep_ordering())]
    if table is not None:
        tasks.append(asyncio.create_task(headend.keep_committing(table)))
    print(json.dumps({"port": port}), flush=True)
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin
    )
    while line := await stdin.readline():
        command, *arguments = line.decode().split()
        if command == "orders":
            headend.rate = float(arguments[0])
            headend.ordered_agents = int(arguments[1]) if arguments[1:] else sys.maxsize
        elif command == "acks":
            headend.acks = arguments[0] == "on"
        elif command == "stats":
            print(json.dumps(headend.stats()), flush=True)
    for task in tasks:
        task.cancel()
    await server.stop(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--proto", type=Path, required=True, help="folder of headend_pb2.py")
    parser.add_argument("--journal", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(options.proto))
    pb = importlib.import_module("headend_pb2")
    table = BareTable(options.journal) if options.journal is not None else None
    asyncio.run(serve(pb, table))


if __name__ == "__main__":
    main()
