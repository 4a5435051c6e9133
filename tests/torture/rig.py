"""The rig of a torture run: real processes, and the harms that strike them.

Agents with meters on their devices reach a headend through a proxy; the headend feeds
PostgreSQL. The rig starts all of them with the commands that a user would type.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import trio
import yaml

from tests.support.processes.disk import SmallDisk, small_disk
from tests.support.processes.postgres import Database
from tests.support.processes.proxy import Proxy
from tests.support.processes.world import free_port
from tests.support.waiting import PATIENCE_S, until
from tests.torture.agent import METERS
from tests.torture.audit import Struck
from tests.torture.meters import broken_path
from tests.torture.plan import Blow, Harm

PERIOD_S = 0.5
"""The telemetry period. Fleets have 4 s, so one minute here shows as much as eight of theirs."""

ALIVE_S = 1.0
"""The headend's sign of life. An agent leaves a headend that is silent for three times as long."""

SILENCE_S = 4.0
"""How long an agent may be silent before the headend ends its session."""

HEARTBEAT_S = 1.0

NAMESPACE = UUID("5c1f0000-0000-4000-8000-0000000000ff")


@dataclass(frozen=True, slots=True)
class Suffered:
    """A blow that struck, in wall clock time."""

    harm: Harm
    target: int
    from_us: int
    to_us: int
    """When the harm was mended: the process listens again, the link is open."""


@dataclass
class AgentSpec:
    """One agent of the rig and its assets."""

    agent_id: str
    asset_ids: tuple[str, ...]


class Rig:
    """The processes of a run, and its folder."""

    def __init__(
        self, folder: Path, disk: SmallDisk, postgres: Database, agents: int, assets_each: int
    ) -> None:
        self.folder = folder
        self._disk = disk
        self.postgres = postgres
        self.http_port, self.grpc_port = free_port(), free_port()
        self.proxy = Proxy(self.grpc_port)
        self.meters = folder / "meters"
        self.agents = [
            AgentSpec(
                f"agent-{number}",
                tuple(_id(f"asset {number} {place}") for place in range(assets_each)),
            )
            for number in range(agents)
        ]
        self.asset_ids = [asset for spec in self.agents for asset in spec.asset_ids]
        self.suffered: list[Suffered] = []
        self._headend: subprocess.Popen[bytes] | None = None
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._one_at_a_time: dict[tuple[Harm, int], trio.Lock] = {}

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def data(self) -> Path:
        """The headend's data folder."""
        return self._disk.folder

    @property
    def journal(self) -> Path:
        return self.data / "journal.db"

    # --- processes --------------------------------------------------------------------

    def write_files(self) -> None:
        self.meters.mkdir()
        site = _id("site")
        fleet = {
            "sites": [{"id": site, "name": "torture"}],
            "assets": [
                {
                    "id": asset,
                    "name": f"battery-{number}",
                    "site": "torture",
                    "kind": "battery",
                    "rated_mw": 2.0,
                    "energy_mwh": 400.0,
                    "device": {"driver": "simulated", "seed": number, "soc": 0.5},
                }
                for number, asset in enumerate(self.asset_ids)
            ],
        }
        (self.folder / "assets.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
        settings: dict[str, Any] = {
            "telemetry_period_s": PERIOD_S,
            "heartbeat_period_s": HEARTBEAT_S,
            "alive_period_s": ALIVE_S,
            "agent_silence_s": SILENCE_S,
            "postgres": {"dsn": self.postgres.dsn},
        }
        (self.folder / "derhead.yaml").write_text(yaml.safe_dump(settings))

    async def start_headend(self) -> None:
        """Starts it and waits until it answers."""
        self._headend = self._start(
            "derhead",
            {},
            *("derhead", "serve", "--assets", self.folder / "assets.yaml", "--data", self.data),
            *("--config", self.folder / "derhead.yaml"),
            *("--http", f"127.0.0.1:{self.http_port}", "--grpc", f"127.0.0.1:{self.grpc_port}"),
        )
        async with httpx.AsyncClient(base_url=self.base) as client:
            await until(lambda: self._answers(client))

    def start_agent(self, number: int) -> None:
        spec = self.agents[number]
        self._running[number] = self._start(
            spec.agent_id,
            {
                "DERAGENT_ASSETS": str(self.folder / "assets.yaml"),
                "DERAGENT_ASSET": ",".join(spec.asset_ids),
                "DERAGENT_AGENT_ID": spec.agent_id,
                "DERAGENT_HEADEND": f"127.0.0.1:{self.proxy.port}",
                "DERAGENT_DATA": str(self.folder / spec.agent_id),
                METERS: str(self.meters),
            },
            "tests.torture.agent",
        )

    def _start(
        self, name: str, environment: dict[str, str], module: str, *arguments: object
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
            )

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        assert self._headend is not None
        assert self._headend.poll() is None, self.log("derhead")
        try:
            return (await client.get("/agents", timeout=2)).status_code == 200
        except httpx.TransportError:
            return False

    async def stop_agents(self) -> None:
        """SIGTERM, and none is left."""
        async with trio.open_nursery() as nursery:
            for process in self._running.values():
                nursery.start_soon(self._end, process, False)

    async def stop_headend(self) -> None:
        await self._end(self._headend, False)

    async def _end(self, process: subprocess.Popen[bytes] | None, kill: bool) -> None:
        """SIGKILL or SIGTERM, and waits for its end; told to end, it must end well, unless it had
        hardly begun."""
        assert process is not None
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        with trio.fail_after(PATIENCE_S):
            await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        expected = (-signal.SIGKILL,) if kill else (0, -signal.SIGTERM)
        assert process.returncode in expected, f"{process.args!r} ended with {process.returncode}"

    def close(self) -> None:
        """Kills every process that still runs, stopped ones too."""
        for process in (self._headend, *self._running.values()):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def check(self) -> None:
        """Fails if a process ended without being told to."""
        for name, process in (("derhead", self._headend), *self._named_agents()):
            assert process is not None
            assert process.poll() is None, f"{name} ended:\n{self.log(name)}"

    def _named_agents(self) -> list[tuple[str, subprocess.Popen[bytes]]]:
        return [(self.agents[n].agent_id, process) for n, process in self._running.items()]

    def log(self, name: str, characters: int = 4000) -> str:
        return (self.folder / f"{name}.log").read_text()[-characters:]

    # --- what was done ----------------------------------------------------------------

    def strokes(self, asset_id: str) -> list[Struck]:
        """The blows that struck an asset, its agent, or something that all agents depend on."""
        agent = next(n for n, spec in enumerate(self.agents) if asset_id in spec.asset_ids)
        targets = {
            Harm.KILL_AGENT: agent,
            Harm.RESTART_AGENT: agent,
            Harm.BREAK_DEVICE: self.asset_ids.index(asset_id),
        }
        return [
            Struck(each.harm, each.from_us, each.to_us)
            for each in self.suffered
            if each.target == targets.get(each.harm, each.target)
        ]

    def kills(self, asset_id: str) -> list[Struck]:
        """The kills of the asset's agent."""
        return [each for each in self.strokes(asset_id) if each.harm is Harm.KILL_AGENT]

    # --- blows ------------------------------------------------------------------------

    async def suffer(self, blow: Blow, rng: random.Random) -> None:
        """Deals one blow and mends it. A blow to something that is down waits until it is up."""
        lock = self._one_at_a_time.setdefault(self._struck(blow), trio.Lock())
        async with lock:
            from_us = wall_us()
            await self._deal(blow, rng)
            self.suffered.append(Suffered(blow.harm, blow.target, from_us, wall_us()))

    def _struck(self, blow: Blow) -> tuple[Harm, int]:
        match blow.harm:
            case Harm.RESTART_HEADEND | Harm.FREEZE_HEADEND | Harm.FILL_DISK:
                return Harm.KILL_HEADEND, 0
            case Harm.KILL_AGENT | Harm.RESTART_AGENT:
                return Harm.KILL_AGENT, blow.target
            case Harm.BREAK_DEVICE:
                return blow.harm, blow.target
            case harm:
                return harm, 0

    async def _deal(self, blow: Blow, rng: random.Random) -> None:
        match blow.harm:
            case Harm.KILL_HEADEND | Harm.RESTART_HEADEND:
                await self._end(self._headend, blow.harm is Harm.KILL_HEADEND)
                await trio.sleep(blow.for_s)
                await self.start_headend()
            case Harm.KILL_AGENT | Harm.RESTART_AGENT:
                await self._end(self._running[blow.target], blow.harm is Harm.KILL_AGENT)
                await trio.sleep(blow.for_s)
                self.start_agent(blow.target)
            case Harm.KILL_POSTGRES:
                await trio.to_thread.run_sync(self.postgres.server.kill)
                await trio.sleep(blow.for_s)
                await trio.to_thread.run_sync(self.postgres.server.start)
            case Harm.CUT:
                with self.proxy.cut():
                    await trio.sleep(blow.for_s)
            case Harm.STALL:
                with self.proxy.stall():
                    await trio.sleep(blow.for_s)
            case Harm.HALF_OPEN:
                await self.proxy.half_open(rng)
            case Harm.FREEZE_HEADEND:
                assert self._headend is not None
                self._headend.send_signal(signal.SIGSTOP)
                await trio.sleep(blow.for_s)
                self._headend.send_signal(signal.SIGCONT)
            case Harm.BREAK_DEVICE:
                broken = broken_path(self.meters, self.asset_ids[blow.target])
                broken.touch()
                await trio.sleep(blow.for_s)
                broken.unlink()
            case Harm.FILL_DISK:
                assert self._headend is not None
                pid = self._headend.pid
                await trio.to_thread.run_sync(self._disk.fill, pid)
                await trio.sleep(blow.for_s)
                self._disk.empty(pid)


def wall_us() -> int:
    return time.time_ns() // 1000


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE, name))


@asynccontextmanager
async def rigged(
    folder: Path, postgres: Database, agents: int, assets_each: int
) -> AsyncIterator[Rig]:
    """A rig with its processes running for the block; none is left afterwards."""
    with small_disk(folder / "derhead") as disk:
        rig = Rig(folder, disk, postgres, agents, assets_each)
        rig.write_files()
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(rig.proxy.run)
                await rig.start_headend()
                for number in range(agents):
                    rig.start_agent(number)
                yield rig
                nursery.cancel_scope.cancel()
        finally:
            rig.close()
