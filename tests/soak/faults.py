"""What each fault of a plan does to the world, and how it ends."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import trio

from deragent.tasks.controller import TELL_TIMEOUT_S
from derhead.access import Role
from derhead.history.file.room import Room
from derproto.configuration.fleet import Fleet, Limits
from derproto.triogrpc.testing import FAST, Path
from tests.soak.observer import is_set_lately
from tests.soak.plan import Act, Kind
from tests.soak.site_agent import SiteAgent
from tests.soak.weather import Trouble
from tests.soak.world import OVER_TLS, SoakWorld, write_private
from tests.support.dispatch.record import Span

NOTICED_S = 50.0
"""After this time both ends of a half-open connection have given it up."""

SILENT_S = 60.0
"""After this time the headend has given up an agent from which nothing comes."""

REVOKED_S = 15.0
"""After this time a revoked token has ended its session: the headend looks every 10 s."""

POWER_CUT = 0.5
"""The ``value`` of a kill above which the agent's machine loses power."""

BEHIND = 0.7
"""The ``value`` of a fault of the database above which the one that returns has lost batches."""


class Faults:
    """Does the faults of a plan, each for its time."""

    def __init__(self, world: SoakWorld) -> None:
        self._world = world
        self._refused: Counter[str] = Counter()
        self._stalled: Counter[str] = Counter()
        self._slow: dict[str, list[Path]] = {}
        self._narrowed: set[int] = set()
        self._removed: set[int] = set()
        self._full = 0
        self._headend_busy = trio.Lock()
        self._busy = [trio.Lock() for _ in world.agents]
        self._rotated = [0] * len(world.agents)

    async def do(self, act: Act) -> None:
        """Does the fault, and ends it after its time."""
        world, agents = self._world, self._world.agents
        agent = agents[act.target % len(agents)]
        match act.kind:
            case Kind.CUT:
                with self._trouble(act, [agent]):
                    world.network.cut(agent.host)
                    await trio.lowlevel.checkpoint()
            case Kind.REFUSE:
                await self._refuse(act, [agent])
            case Kind.PARTITION:
                await self._stall(act, [a for a in agents if a.site_id == agent.site_id])
            case Kind.STALL:
                await self._stall(act, [agent])
            case Kind.HALF_OPEN:
                with self._trouble(act, [agent]):
                    world.network.lose(agent.host)
                    await trio.sleep(NOTICED_S)
            case Kind.DELAY:
                await self._slow_down(act, agent, Path(delay_s=act.value))
            case Kind.THROTTLE:
                await self._slow_down(act, agent, Path(bytes_per_s=act.value))
            case Kind.DUPLICATE_AGENT:
                await self._duplicate(act, agent)
            case Kind.KILL_AGENT | Kind.STOP_AGENT:
                await self._end_agent(act, agent)
            case Kind.SET_CLOCK:
                await self._set_clock(act, agent)
            case Kind.KILL_HEADEND | Kind.STOP_HEADEND:
                await self._end_headend(act)
            case Kind.DEVICE_SILENT | Kind.DEVICE_ERRS | Kind.DEVICE_LIES | Kind.DEVICE_MOVES:
                await self._upset(act)
            case Kind.DISK_FULL:
                await self._fill_disk(act)
            case Kind.DATABASE_AWAY:
                await self._take_database(act)
            case Kind.LIMITS_CHANGED:
                await self._change_fleet(act, self._narrowed)
            case Kind.ASSET_REMOVED:
                await self._change_fleet(act, self._removed)
            case Kind.LOG_LEVEL:
                world.log_level = "debug" if world.log_level == "info" else "info"
                logging.getLogger().setLevel(world.log_level.upper())
                await world.hang_up()
            case Kind.ROTATE_CERTIFICATES:
                await self._rotate_certificates(act)
            case Kind.ROTATE_TOKEN:
                await self._rotate_token(act, agent)

    @contextmanager
    def _trouble(
        self, act: Act, agents: Iterable[SiteAgent] = (), assets: Iterable[int] = ()
    ) -> Iterator[Trouble]:
        weather = self._world.account.weather
        numbers = [agent.number for agent in agents]
        trouble = weather.begin(act.kind, trio.current_time(), numbers, assets)
        try:
            yield trouble
        finally:
            weather.end(trouble, trio.current_time())

    # --- links ---------------------------------------------------------------------------

    async def _refuse(self, act: Act, agents: list[SiteAgent]) -> None:
        await self._turn(act, agents, self._refused, self._world.network.refuse, cut=True)

    async def _stall(self, act: Act, agents: list[SiteAgent]) -> None:
        async with trio.open_nursery() as watching:
            watching.start_soon(self._look_for_sessions, agents)
            await self._turn(act, agents, self._stalled, self._world.network.stall, cut=False)
            watching.cancel_scope.cancel()

    async def _look_for_sessions(self, agents: list[SiteAgent]) -> None:
        """Puts to the test that the headend gives up agents that it does not hear."""
        world, since_us = self._world, self._world.runtime.wall_us()
        await trio.sleep(SILENT_S)
        headend, now_s = world.headend, trio.current_time()
        # A journal that takes nothing holds up the reading; a headend that starts counts anew.
        kinds = (Kind.DISK_FULL, Kind.KILL_HEADEND, Kind.STOP_HEADEND)
        spans = world.account.weather.spans(kinds, now_s, agent=0)
        if headend is None or any(each.to_s > now_s - SILENT_S for each in spans):
            return
        if any(agent.number in world.copies for agent in agents):
            return
        for agent in agents:
            world.account.count("a silent session ends")
            if world.has_session(agent.agent_id, since_us):
                words = f"{agent.agent_id} counts as connected after {SILENT_S:g} s of silence"
                world.account.fault(now_s, "a silent session ends", words)
        world.account.count("a silent asset's gap is open")
        silent = sum(headend.gaps.statistics().lasting.values())
        # Where a clock was set back, samples stamped in the future hold the gap off.
        steady = [agent for agent in agents if not is_set_lately(world, agent.numbers[0])]
        expected = sum(len(agent.numbers) for agent in steady) - len(self._removed)
        if silent < expected:
            words = f"{silent} assets have an open gap, and {expected} are silent"
            world.account.fault(now_s, "a silent asset's gap is open", words)

    async def _turn(
        self,
        act: Act,
        agents: list[SiteAgent],
        wanted: Counter[str],
        turn: Callable[[str, bool], None],
        *,
        cut: bool,
    ) -> None:
        """Turns something on with its first use, and off with the end of its last."""
        with self._trouble(act, agents):
            for agent in agents:
                wanted[agent.host] += 1
                turn(agent.host, True)
                if cut:
                    self._world.network.cut(agent.host)
            await trio.sleep(act.for_s)
            for agent in agents:
                wanted[agent.host] -= 1
                turn(agent.host, wanted[agent.host] > 0)

    async def _slow_down(self, act: Act, agent: SiteAgent, path: Path) -> None:
        if agent.over_tls:
            # The length of a signature is random, and so would be the time that it takes.
            agent = self._world.agents[-1]
        paths = self._slow.setdefault(agent.host, [])
        with self._trouble(act, [agent]):
            paths.append(path)
            self._world.network.take_path(agent.host, path)
            await trio.sleep(act.for_s)
            paths.remove(path)
            self._world.network.take_path(agent.host, paths[-1] if paths else FAST)

    # --- processes -----------------------------------------------------------------------

    async def _duplicate(self, act: Act, agent: SiteAgent) -> None:
        if agent.number in self._world.copies:
            return
        with self._trouble(act, [agent]):
            copy = await self._world.start_copy(agent.number)
            await trio.sleep(act.for_s)
            await copy.kill()
            del self._world.copies[agent.number]
            # The headend tells both to wait for 30 s.
            await trio.sleep(NOTICED_S)

    async def _end_agent(self, act: Act, agent: SiteAgent) -> None:
        kill = act.kind is Kind.KILL_AGENT
        async with self._busy[agent.number]:
            with self._trouble(act, [agent], agent.numbers):
                from_s = trio.current_time()
                if kill:
                    await agent.kill(power_cut=act.value > POWER_CUT)
                else:
                    await agent.stop()
                async with trio.open_nursery() as watching:
                    watching.start_soon(self._look_for_sessions, [agent])
                    await trio.sleep(act.for_s)
                    watching.cancel_scope.cancel()
                await agent.start()
                span = Span(from_s, trio.current_time())
                agent.down.append(span)
                if kill:
                    agent.killed.append(span)

    async def _set_clock(self, act: Act, agent: SiteAgent) -> None:
        with self._trouble(act, (), agent.numbers):
            agent.set_clock(round(act.value * 1e6) - agent.clock_us)
            await trio.lowlevel.checkpoint()

    async def _end_headend(self, act: Act) -> None:
        world = self._world
        async with self._headend_busy:
            with self._trouble(act, world.agents):
                from_s = trio.current_time()
                await world.end_headend(kill=act.kind is Kind.KILL_HEADEND)
                await trio.sleep(act.for_s)
                await world.start_headend()
                world.headend_down.append(Span(from_s, trio.current_time()))

    # --- devices -------------------------------------------------------------------------

    async def _upset(self, act: Act) -> None:
        moods = self._world.meters[act.target].moods
        name = act.kind.value.removeprefix("device ")
        with self._trouble(act, (), [act.target]):
            setattr(moods, name, getattr(moods, name) + 1)
            await trio.sleep(act.for_s)
            setattr(moods, name, getattr(moods, name) - 1)
            if act.kind is Kind.DEVICE_SILENT:
                # A command or a reading that hangs ends at its own deadline.
                await trio.sleep(TELL_TIMEOUT_S)

    # --- the headend's surroundings ------------------------------------------------------

    async def _fill_disk(self, act: Act) -> None:
        world = self._world
        with self._trouble(act, world.agents):
            self._full += 1
            world.disk_full = True
            await trio.sleep(act.for_s)
            self._full -= 1
            world.disk_full = self._full > 0

    async def _take_database(self, act: Act) -> None:
        database = self._world.database
        with self._trouble(act):
            database.away += 1
            await trio.sleep(act.for_s)
            if act.value > BEHIND:
                database.lose_last_batches()
            database.away -= 1

    async def _change_fleet(self, act: Act, changed: set[int]) -> None:
        if act.target in changed:
            return
        agent = self._world.agent_at(act.target)
        with self._trouble(act, [agent], [act.target]):
            changed.add(act.target)
            await self._write_fleet()
            await trio.sleep(act.for_s)
            changed.discard(act.target)
            await self._write_fleet()

    async def _write_fleet(self) -> None:
        world = self._world
        numbered = {asset.id: n for n, asset in enumerate(world.assets)}
        assets = {
            asset.id: asset
            for asset in world.whole_fleet.assets.values()
            if numbered[asset.id] not in self._removed
        }
        for number in self._narrowed - self._removed:
            asset = world.assets[number]
            limits = Limits(asset.limits.min_mw / 2, asset.limits.max_mw / 2)
            assets[asset.id] = replace(asset, limits=limits)
        world.write_assets(Fleet(world.whole_fleet.sites, assets))
        await world.hang_up()

    async def _rotate_certificates(self, act: Act) -> None:
        world = self._world
        agent = world.agents[OVER_TLS]
        async with self._busy[OVER_TLS]:
            with self._trouble(act):
                world.write_certificates(agent.agent_id)
                await world.hang_up()
                if agent.certificates is not None:
                    await agent.certificates.reload()

    async def _rotate_token(self, act: Act, agent: SiteAgent) -> None:
        if agent.over_tls:
            return
        world = self._world
        async with self._busy[agent.number]:
            self._rotated[agent.number] += 1
            before = world.token_names[agent.number]
            name = f"{agent.agent_id}-{self._rotated[agent.number]}"
            with self._trouble(act, [agent]):
                written_us = world.runtime.wall_us()
                write_private(agent.token_file, world.new_token(name, Role.AGENT, agent.agent_id))
                world.token_names[agent.number] = name
                await world.hang_up()
                await trio.sleep(act.for_s)
                world.revoke_token(before)
                await world.hang_up()
                await trio.sleep(REVOKED_S)
                account, promise = world.account, "a revoked token ends its session"
                account.count(promise)
                if world.has_session(agent.agent_id, written_us):
                    words = f"{agent.agent_id} goes on with a token that was revoked"
                    account.fault(trio.current_time(), promise, words)


@contextmanager
def disk_of(world: SoakWorld) -> Iterator[None]:
    """The headend's disk for the block: as full as the world says."""
    free_bytes = Room._free_bytes

    def free_of_world(room: Room) -> int:
        return 0 if world.disk_full else free_bytes(room)

    with patch.object(Room, "_free_bytes", free_of_world):
        yield
