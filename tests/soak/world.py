"""The world of a run: the real headend and real agents in one process, under virtual time.

Only links, devices, clocks and the disk's free space are replaced. Each agent has a name of its own
to dial, so that a fault may strike its link alone.
"""

import os
import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import trio

from deragent.devices import Measurement
from deragent.tasks.agent_board import AgentBoard
from derhead.access import Role, Token, TokenSet, digest_of, spell
from derhead.access.token_file import write_token_file
from derhead.config import HeadendConfig
from derhead.daemon.composition import Listeners, run_headend
from derhead.daemon.fleet_keeper import FleetKeeper
from derhead.headend import Headend
from derhead.history.journal.committer import Committer
from derproto.base.runtime import virtual_runtime
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import Asset, Failsafe, Fleet
from derproto.system.reloading import Reloads
from derproto.tls.certificate_keeper import CertificateKeeper
from derproto.tls.tls_files import TlsRole
from derproto.triogrpc.testing import MemoryNetwork
from launcher.fleets.generated_fleet import generate
from tests.soak.account import Account
from tests.soak.database_twin import DSN, DatabaseTwin
from tests.soak.devices import COPY_READINGS, Meter, number_of
from tests.soak.plan import ASSETS_PER_AGENT, Plan
from tests.soak.rest import REST, RestClient
from tests.soak.site_agent import REPEATED, SiteAgent, pack_reading, unpack_reading
from tests.support.certificates import TestAuthority, validity
from tests.support.dispatch.record import Span
from tests.support.epoch import T0

RETENTION_DAYS = 3.0
"""The journal forgets within a run, so that a week shows whether its size becomes constant."""

FAILSAFES_S = (60.0, 0.0, 20.0)
"""``failsafe.after_s`` of the assets, in turn; 0 holds the setpoint."""

OPERATOR = "operator"

OVER_TLS = 0
"""The number of the agent that shows a certificate; the others show tokens, in cleartext."""

_LONG = validity(400.0)


@dataclass(eq=False)
class SoakWorld:
    """Everything that runs, and what the plan does to it."""

    folder: Path
    plan: Plan
    nursery: trio.Nursery
    account: Account

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.plan.seed}/lives")
        self.runtime = virtual_runtime(T0)
        self.network = MemoryNetwork()
        self.authority = TestAuthority.make(self.folder / "pki")
        self.authority.write_server(valid=_LONG)
        self.headend: Headend | None = None
        self.reloads: Reloads | None = None
        self.headend_down: list[Span] = []
        self.disk_full = False
        self.database = DatabaseTwin(random.Random(f"{self.plan.seed}/database"))
        self.log_level = "info"
        self.assets_file = self.folder / "assets.yaml"
        self.tokens_file = self.folder / "tokens.yaml"
        whole = generate(self.plan.assets, self.plan.seed)
        self.whole_fleet = Fleet(
            whole.sites,
            {
                asset.id: replace(asset, failsafe=Failsafe(FAILSAFES_S[n % len(FAILSAFES_S)]))
                for n, asset in enumerate(whole.assets.values())
            },
        )
        self.assets = _by_site(self.whole_fleet)
        """All assets; an asset's number is its place here."""
        self.meters = [Meter(asset, self.runtime.wall_us) for asset in self.assets]
        self.tokens = TokenSet()
        self.token_names = [f"agent-{n}" for n in range(self.plan.agents)]
        """The name of each agent's token in force."""
        self.agents = [self._make_agent(n) for n in range(self.plan.agents)]
        self.copies: dict[int, SiteAgent] = {}
        self._copied = 0
        self.rest = RestClient(self.network, self.new_token(OPERATOR, Role.OPERATOR))
        self.acked = [bytearray() for _ in self.assets]
        """A byte for each reading: whether the headend has acknowledged it to the agent."""
        self._headend_scope = trio.CancelScope()
        self._headend_gone = trio.Event()
        self._headend_stopping = trio.Event()
        self.write_assets(self.whole_fleet)

    # --- times ---------------------------------------------------------------------------

    def seconds(self, us: int) -> float:
        """Seconds of the run at a time by the true clock."""
        return (us - T0) / 1e6

    # --- files ---------------------------------------------------------------------------

    def write_assets(self, fleet: Fleet) -> None:
        self.assets_file.write_text(render_fleet(fleet))

    def new_token(self, name: str, role: Role, agent: str | None = None) -> str:
        """Adds a token to the headend's file, and returns its text."""
        secret = spell(random.Random(f"{self.plan.seed}/{name}").randbytes(32))
        token = Token(name, role, digest_of(secret.encode()), self.runtime.wall_us(), agent=agent)
        self.tokens = self.tokens.with_token(token)
        write_token_file(self.tokens_file, self.tokens)
        return secret

    def revoke_token(self, name: str) -> None:
        token = self.tokens.named(name)
        assert token is not None
        self.tokens = self.tokens.with_token(replace(token, revoked_us=self.runtime.wall_us()))
        write_token_file(self.tokens_file, self.tokens)

    async def hang_up(self) -> None:
        """SIGHUP to the headend, if it runs."""
        if self.headend is not None and self.reloads is not None:
            await self.reloads.reload_all()

    # --- processes -----------------------------------------------------------------------

    async def start_headend(self) -> None:
        self._headend_scope, self._headend_gone = trio.CancelScope(), trio.Event()
        self._headend_stopping = trio.Event()
        self.headend = await self.nursery.start(self._run_headend)

    async def _run_headend(self, task_status: trio.TaskStatus[Headend]) -> None:
        fleet = load_fleet(self.assets_file)
        keeper = FleetKeeper(self.assets_file, fleet, self.runtime)
        self.reloads = Reloads(self.runtime)
        await keeper.watch(self.reloads)
        certificates = CertificateKeeper(
            [self.authority.server_files(TlsRole.GRPC_SERVER, asks_for_clients=True)], self.runtime
        )
        await certificates.load(self.reloads)
        clear = [each.host for each in self.agents if not each.over_tls]
        clear += [f"{each.host}-copy" for each in self.agents]
        secured = [each.host for each in self.agents if each.over_tls]

        async def open_grpc() -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
            listeners = [self.network.listen(host) for host in secured]
            return [
                *certificates.over_tls(TlsRole.GRPC_SERVER, listeners),
                *(self.network.listen(host) for host in clear),
            ]

        try:
            with self._headend_scope:
                await run_headend(
                    HeadendConfig(
                        assets=self.assets_file,
                        data=self.folder / "derhead",
                        tokens=self.tokens_file,
                        agent_tokens=True,
                        postgres_dsn=DSN,
                        tls_client_ca=self.authority.ca,
                        retention_days=RETENTION_DAYS,
                    ),
                    fleet,
                    Listeners(open_grpc, [self.network.listen(REST)]),
                    runtime=self.runtime,
                    stopping=self._headend_stopping,
                    reloads=self.reloads,
                    fleet_keeper=keeper,
                    task_status=task_status,
                )
        finally:
            self.headend = self.reloads = None
            self._headend_gone.set()

    async def end_headend(self, *, kill: bool) -> None:
        """Ends the headend, at once or in order."""
        if kill:
            for host in (REST, *self.hosts()):
                self.network.cut(host)
            # A process that is killed writes nothing any more of what it holds in memory.
            with patch.object(Committer, "_flush", _write_nothing):
                self._headend_scope.cancel()
                await self._headend_gone.wait()
        else:
            self._headend_stopping.set()
            await self._headend_gone.wait()

    def has_session(self, agent_id: str, before_us: int) -> bool:
        """Whether the headend has a session of the agent that began before that time."""
        live = () if self.headend is None else self.headend.sessions.live
        return any(
            each.record.agent_id == agent_id and each.record.connected_us < before_us
            for each in live
        )

    def hosts(self) -> Iterable[str]:
        return [each.host for each in (*self.agents, *self.copies.values())]

    def agent_of(self, board: AgentBoard) -> SiteAgent | None:
        """The agent with that board; None for a copy."""
        return next((each for each in self.agents if each.board is board), None)

    @property
    def outbox_rows(self) -> list[int]:
        """Rows that each agent holds."""
        return [0 if each.board is None else len(each.board.outbox) for each in self.agents]

    def agent_at(self, asset: int) -> SiteAgent:
        return self.agents[asset // ASSETS_PER_AGENT]

    def _make_agent(self, number: int) -> SiteAgent:
        first = number * ASSETS_PER_AGENT
        numbers = tuple(range(first, min(first + ASSETS_PER_AGENT, len(self.assets))))
        agent_id = f"agent-{number}"
        token_file = self.folder / f"{agent_id}.token"
        if number == OVER_TLS:
            self.write_certificates(agent_id)
        else:
            write_private(token_file, self.new_token(agent_id, Role.AGENT, agent_id))
        return SiteAgent(
            self,
            number,
            agent_id,
            self.assets[first].site_id,
            numbers,
            {self.assets[n].id: self.meters[n] for n in numbers},
            self.folder / agent_id,
            token_file,
            over_tls=number == OVER_TLS,
        )

    def write_certificates(self, agent_id: str) -> None:
        """New certificates and keys for the headend and the agent."""
        self.authority.write_server(valid=_LONG)
        self.authority.write_agent(agent_id, valid=_LONG)

    async def start_copy(self, number: int) -> SiteAgent:
        """Starts a copy of an agent's machine, with devices of its own and an empty folder."""
        original = self.agents[number]
        self._copied += 1
        copy = replace_agent(original, self.folder / f"{original.agent_id}-copy-{self._copied}")
        self.copies[number] = copy
        await copy.start()
        return copy

    # --- taps ----------------------------------------------------------------------------

    def note_row(
        self, board: AgentBoard, asset_index: int, measurement: Measurement, *, fresh: bool
    ) -> None:
        agent = self.agent_of(board)
        if agent is None:
            return
        row = REPEATED
        if fresh and measurement.frequency_hz is not None:
            row = pack_reading(agent.numbers[asset_index], number_of(measurement.frequency_hz))
        agent.boots.setdefault(board.boot_id, array("q")).append(row)

    def note_acked(self, boot_id: int, ranges: Iterable[tuple[int, int]]) -> None:
        rows = next((a.boots[boot_id] for a in self.agents if boot_id in a.boots), None)
        if rows is None:
            return
        for first, last in ranges:
            for row in rows[first - 1 : last]:
                if row != REPEATED:
                    asset, reading = unpack_reading(row)
                    marks = self.acked[asset]
                    if len(marks) <= reading:
                        marks.extend(bytes(reading + 1 - len(marks)))
                    marks[reading] = 1


def replace_agent(agent: SiteAgent, data: Path) -> SiteAgent:
    """A copy of the agent with a folder and devices of its own."""
    meters = {
        asset_id: Meter(meter.asset, meter.wall_us, first=COPY_READINGS)
        for asset_id, meter in agent.meters.items()
    }
    return SiteAgent(
        agent.world,
        agent.number,
        agent.agent_id,
        agent.site_id,
        agent.numbers,
        meters,
        data,
        agent.token_file,
        is_copy=True,
    )


def _by_site(fleet: Fleet) -> list[Asset]:
    order = list(fleet.sites)
    return sorted(fleet.assets.values(), key=lambda asset: order.index(asset.site_id))


async def _write_nothing(_committer: Committer) -> None:
    await trio.lowlevel.checkpoint()


def write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
