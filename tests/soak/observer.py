"""Looks at the world while it runs: fresh telemetry, agents that are back, resources."""

import gc
import os
import sys
from collections import Counter
from pathlib import Path

import trio

from tests.soak.account import Look, Seen
from tests.soak.devices import COPY_READINGS, number_of
from tests.soak.world import SoakWorld

LOOK_S = 2.5
"""Seconds between two looks at the newest telemetry."""

FRESH_S = 10.0
"""The newest sample shown is at most so old while the agent is connected."""

QUIET_S = 15.0
"""So long nothing may have been wrong before a look or an order, if the promise is to hold."""

BACK_S = 50.0
"""An agent is back within this time after its path has cleared: a dial that was under way, and the
longest wait before the next one."""

DRAINED_S = 60.0
"""So long after an outage an agent has sent what it held."""

ACKED_S = 30.0
"""A sample is acknowledged within this time."""

HOUR_S = 3600.0


async def watch_telemetry(world: SoakWorld) -> None:
    """Puts to the test what REST's source shows of each asset, for ever."""
    account, weather = world.account, world.account.weather
    away = [False] * len(world.agents)
    while True:
        await trio.sleep(LOOK_S)
        now_s, headend = trio.current_time(), world.headend
        for agent in world.agents:
            clear_s = weather.path_clear_s(agent.number, now_s)
            if headend is None or clear_s < QUIET_S:
                continue
            if clear_s > BACK_S:
                account.count("an agent is back 50 s after its path has cleared")
            if agent.connected_s is None:
                if clear_s > BACK_S and not away[agent.number]:
                    away[agent.number] = True
                    account.fault(
                        now_s,
                        "an agent is back 50 s after its path has cleared",
                        f"{agent.agent_id} is away {clear_s:.0f} s after its path cleared",
                    )
                continue
            away[agent.number] = False
            if now_s - agent.connected_s < QUIET_S:
                continue
            for asset in agent.numbers:
                if weather.device_clear_s(asset, now_s) >= QUIET_S:
                    _look(world, asset, now_s)


def all_well(world: SoakWorld, asset: int) -> bool:
    """Whether nothing has been wrong between the asset and readers of REST for a while."""
    now_s = trio.current_time()
    agent, weather = world.agent_at(asset), world.account.weather
    return (
        agent.connected_s is not None
        and now_s - agent.connected_s >= QUIET_S
        and weather.path_clear_s(agent.number, now_s) >= QUIET_S
        and weather.device_clear_s(asset, now_s) >= QUIET_S
    )


def _look(world: SoakWorld, asset: int, now_s: float) -> None:
    meter, headend = world.meters[asset], world.headend
    assert headend is not None
    sample = headend.latest.get(meter.asset.id)
    age_s = float("inf")
    if sample is not None and sample.frequency_hz is not None:
        number = number_of(sample.frequency_hz)
        if number < len(meter.read_us):
            age_s = now_s - world.seconds(meter.read_us[number])
            if sample.p_mw != meter.power_mw[number]:
                world.account.fault(
                    now_s,
                    "telemetry shows what the device measured",
                    f"asset {asset} shows {sample.p_mw} for {meter.power_mw[number]} MW",
                )
    world.account.try_promise(
        "telemetry is seen within 10 s while its agent is connected",
        age_s,
        FRESH_S,
        now_s,
        f"asset {asset} shows a sample that is {age_s:.1f} s old",
    )


async def watch_levels(world: SoakWorld) -> None:
    """Counts what an operator sees of each asset, in any weather, for ever.

    An asset that leaves the fleet counts again from its next sample on. If it left while no
    headend ran, it left when the headend ended: the next headend cannot know better.
    """
    left_us: dict[int, int] = {}
    looks_while_down = Counter[int]()
    while True:
        await trio.sleep(LOOK_S)
        headend, now_us = world.headend, world.runtime.wall_us()
        for agent in world.agents:
            copy = world.copies.get(agent.number)
            connected = agent.connected_s is not None or (
                copy is not None and copy.connected_s is not None
            )
            for asset in agent.numbers:
                asset_id = world.assets[asset].id
                since_us = None if headend is None else headend.latest.since_us(asset_id)
                if headend is not None:
                    down = looks_while_down.pop(asset, 0)
                    if asset_id not in headend.fleet.assets:
                        left_us[asset] = now_us
                        if asset in world.account.seen:
                            world.account.seen[asset].looks -= down
                if asset in left_us:
                    if (
                        headend is None
                        or headend.latest.slot(asset_id).received_us <= left_us[asset]
                    ):
                        continue
                    del left_us[asset]
                if asset not in world.account.seen and since_us is None:
                    continue
                seen = world.account.seen.setdefault(asset, Seen())
                seen.looks += 1
                looks_while_down[asset] += headend is None
                seen.held += headend is not None and connected
                if headend is not None and since_us is not None:
                    restored = headend.latest.slot(asset_id).restored
                    seen.fresh += not restored and now_us - since_us <= FRESH_S * 1e6


async def watch_outboxes(world: SoakWorld) -> None:
    """Puts to the test that samples are acknowledged soon while their agent is connected, for ever.

    After an outage an agent first has to send what it held.
    """
    account, weather = world.account, world.account.weather
    while True:
        await trio.sleep(LOOK_S)
        now_s = trio.current_time()
        for agent in world.agents:
            if (
                agent.board is None
                or agent.connected_s is None
                or now_s - agent.connected_s < DRAINED_S
                or weather.path_clear_s(agent.number, now_s) < DRAINED_S
                or is_set_lately(world, agent.numbers[0])
            ):
                continue
            oldest_us = agent.board.outbox.oldest_ts_us
            age_s = (agent.wall_us() - oldest_us) / 1e6 if oldest_us else 0.0
            account.try_promise(
                "a sample is acknowledged within 30 s while its agent is connected",
                age_s,
                ACKED_S,
                now_s,
                f"{agent.agent_id} holds a sample that is {age_s:.1f} s old",
            )


async def watch_order(world: SoakWorld) -> None:
    """Puts to the test that no asset's newest sample is ever replaced by an older one, for ever."""
    newest = [0] * len(world.assets)
    headend = world.headend
    while True:
        await trio.sleep(LOOK_S)
        if world.headend is None or world.headend is not headend:
            # The one before showed samples before the journal had them.
            newest, headend = [0] * len(world.assets), world.headend
            continue
        for asset, meter in enumerate(world.meters):
            sample = headend.latest.get(meter.asset.id)
            if sample is None or sample.frequency_hz is None:
                continue
            number = number_of(sample.frequency_hz)
            if number >= COPY_READINGS:
                # Two boots at once: the last one to send is shown.
                number = 0
            elif number < newest[asset] and not is_set_lately(world, asset):
                world.account.fault(
                    trio.current_time(),
                    "telemetry that is shown never goes back",
                    f"asset {asset} shows reading {number} after {newest[asset]}",
                )
            newest[asset] = number


def is_set_lately(world: SoakWorld, asset: int) -> bool:
    """Whether the agent's clock was moved not long ago: it may hold samples from before."""
    agent, now_s = world.agent_at(asset), trio.current_time()
    return agent.clock_at(now_s) != agent.clock_at(now_s - 3 * HOUR_S)


async def watch_resources(world: SoakWorld) -> None:
    """Looks at the process and its files every hour, for ever."""
    while True:
        await trio.sleep(HOUR_S)
        world.account.looks.append(look_at_resources(world))


def look_at_resources(world: SoakWorld) -> Look:
    # What is only waiting for the collector is no leak.
    gc.collect()
    journal = world.folder / "derhead" / "journal.db"
    boards = [each.board for each in world.agents if each.board is not None]
    return Look(
        at_s=trio.current_time(),
        rss_bytes=_rss_bytes(),
        objects=len(gc.get_objects()),
        blocks=sys.getallocatedblocks(),
        tasks=trio.lowlevel.current_statistics().tasks_living,
        files=open_files(),
        journal_bytes=journal.stat().st_size if journal.exists() else 0,
        outbox_rows=sum(len(board.outbox) for board in boards),
    )


def open_files() -> int:
    """Open descriptors. Those of one database count once: while another connection to it is open,
    SQLite keeps the descriptor of a closed one for the next."""
    folder = Path("/proc/self/fd")
    names = [_target(folder / name) for name in os.listdir(folder)]
    databases = {name for name in names if name.endswith(".db")}
    return len(databases) + sum(name not in databases for name in names)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        # The descriptor by which the folder itself was listed.
        return ""


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
