"""Torture: the test kills real processes at random, cuts links and fills the disk; then it audits.

Meters know what the devices produced, callers know what they ordered, and the test knows which
harm struck whom. In the end the stores miss only what a killed agent held in memory, and the gap
ledger knows every hole and its cause.

``DERHEAD_TORTURE_S`` sets the length of a run; ``DERHEAD_TORTURE_SEED`` repeats one that failed.
"""

import os
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from derhead.dispatch import ENDED
from derproto.base.timefmt import parse_us
from tests.support.processes.postgres import Database, fresh_database, running_postgres
from tests.support.waiting import until
from tests.torture import audit, stores
from tests.torture.meters import read_account
from tests.torture.orders import Orders
from tests.torture.plan import Harm, draw_plan
from tests.torture.rig import PERIOD_S, Rig, rigged, wall_us

pytestmark = pytest.mark.e2e

SECONDS = float(os.environ.get("DERHEAD_TORTURE_S", "60"))
SEED = int(os.environ.get("DERHEAD_TORTURE_SEED", "0")) or secrets.randbelow(2**31)
PAUSE_S = 2.0
"""The mean time between two blows, seconds."""

AGENTS, ASSETS_EACH = 3, 2
CALLERS = 2
LIMIT_US = round(2.5 * PERIOD_S * 1e6)
"""Two samples that are further apart have a hole between them."""

LOOK_S = 0.5
"""Pause between two checks of the recovery, seconds."""

HEALING_S = 120.0
"""Agents redial after up to 30 s, and then need some seconds to deliver their outboxes."""


@pytest.fixture
def durable_postgres() -> Iterator[Database]:
    """A database of a server that syncs to disk, so that a kill costs no commit."""
    with running_postgres(fsync=True) as server, fresh_database(server) as database:
        yield database


async def test_nothing_acknowledged_is_lost_and_every_hole_is_known(
    tmp_path: Path, durable_postgres: Database
) -> None:
    print(f"DERHEAD_TORTURE_SEED={SEED} DERHEAD_TORTURE_S={SECONDS:g}")
    rng = random.Random(SEED)
    orders = Orders()
    async with rigged(tmp_path, durable_postgres, AGENTS, ASSETS_EACH) as rig:
        await until(partial(present, rig), HEALING_S)
        async with trio.open_nursery() as callers:
            stopping = trio.Event()
            for _ in range(CALLERS):
                callers.start_soon(orders.place, rig, random.Random(rng.random()), stopping)
            await torment(rig, rng)
            stopping.set()
        mended_us = wall_us()
        await heal(rig, mended_us, orders)
        wrong = await audit_answers(rig, mended_us)
        await rig.stop_agents()
        await until(partial(fed, rig), HEALING_S)
        await rig.stop_headend()
        wrong += [*audit_samples(rig, mended_us), *audit_orders(rig, orders), *audit_stores(rig)]
        print("\n".join(describe(rig, orders)))
    assert not wrong, "\n".join(wrong)


async def torment(rig: Rig, rng: random.Random) -> None:
    """Deals the blows as planned, each in a task of its own; returns when all is mended."""
    plan = draw_plan(rng, SECONDS, agents=AGENTS, assets=AGENTS * ASSETS_EACH, pause_s=PAUSE_S)
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        for blow in plan:
            await trio.sleep_until(began_s + blow.at_s)
            nursery.start_soon(rig.suffer, blow, random.Random(rng.random()))
    rig.check()


async def heal(rig: Rig, mended_us: int, orders: Orders) -> None:
    """Waits until all that was measured and ordered by then is over, as far as it ever will be."""
    began_s = trio.current_time()
    while waited_for := await outstanding(rig, mended_us, orders):
        rig.check()
        assert trio.current_time() < began_s + HEALING_S, "\n".join(waited_for)
        await trio.sleep(LOOK_S)
    print(f"mended after {trio.current_time() - began_s:.1f} s")


async def present(rig: Rig) -> bool:
    async with httpx.AsyncClient(base_url=rig.base, timeout=5) as client:
        return len((await client.get("/agents")).json()["items"]) == AGENTS


async def outstanding(rig: Rig, mended_us: int, orders: Orders) -> list[str]:
    """What is still to come: agents, what they hold back, orders that are open, samples."""
    try:
        async with httpx.AsyncClient(base_url=rig.base, timeout=5) as client:
            agents = (await client.get("/agents")).json()["items"]
    except httpx.TransportError as error:
        return [f"the headend does not answer: {error!r}"]
    waited_for = []
    if len(agents) < AGENTS:
        waited_for.append(f"{len(agents)} of {AGENTS} agents are there")
    waited_for += [
        f"{agent['id']} holds {agent['outbox_rows']} rows"
        for agent in agents
        if agent["outbox_rows"] > ASSETS_EACH
    ]
    dispatches = await in_postgres(rig, "SELECT id, state FROM dispatches")
    waited_for += [
        f"dispatch {row['id']} is {row['state']}" for row in dispatches if row["state"] not in ENDED
    ]
    unknown = orders.noted.keys() - {row["id"] for row in dispatches}
    waited_for += [f"dispatch {each} is not there" for each in unknown]
    stored = stores.samples(await in_postgres(rig, stores.TELEMETRY))
    for asset in rig.asset_ids:
        missed = audit.missing(read_account(rig.meters, asset), stored[asset], mended_us)
        lost = audit.unforgivable(missed, rig.kills(asset))
        if lost:
            waited_for.append(f"{len(lost)} readings of {asset} are missing, as {lost[0]}")
    return waited_for


async def fed(rig: Rig) -> bool:
    """Nothing waits to go from the journal to PostgreSQL, nor to the journal: the ends of
    sessions are stored up to a tenth of a second after their agents are gone."""
    waiting = "SELECT 1 FROM unfed UNION ALL SELECT 1 FROM sessions WHERE ended_us IS NULL"
    look = partial(stores.in_journal, rig.journal, f"{waiting} LIMIT 1")
    return not await trio.to_thread.run_sync(look)


async def in_postgres(rig: Rig, query: str) -> list[stores.Row]:
    return await trio.to_thread.run_sync(stores.in_postgres, rig.postgres, query)


async def audit_answers(rig: Rig, mended_us: int) -> list[str]:
    """What REST tells of each asset's history, and of its holes, is what PostgreSQL holds."""
    stored = stores.samples(await in_postgres(rig, stores.TELEMETRY))
    ledger = stores.gaps(await in_postgres(rig, stores.GAPS))
    wrong = []
    async with httpx.AsyncClient(base_url=rig.base, timeout=30) as client:
        for asset in rig.asset_ids:
            told = [
                (parse_us(item["ts"]), item["p_mw"], item["frequency_hz"])
                async for item in pages(client, f"/telemetry/{asset}/history")
            ]
            held = [(each.ts_us, each.p_mw, each.frequency_hz) for each in stored[asset]]
            wrong += apart(f"samples of {asset}", told, held, mended_us)
            gaps = [
                (parse_us(item["start"]), item["end"] and parse_us(item["end"]), item["cause"])
                async for item in pages(client, f"/telemetry/{asset}/gaps")
            ]
            kept = [(each.start_us, each.end_us, each.cause) for each in ledger[asset]]
            wrong += apart(f"gaps of {asset}", gaps, kept, mended_us)
    return wrong


def apart(
    what: str, told: list[tuple[Any, ...]], held: list[tuple[Any, ...]], until_us: int
) -> list[str]:
    """What is not in both, of what begins before a time."""
    ours, theirs = (Counter(e for e in each if e[0] < until_us) for each in (told, held))
    if ours == theirs:
        return []
    words = f"{what}: REST tells of {ours.total()}, PostgreSQL has {theirs.total()}"
    return [f"{words}; only REST: {[*ours - theirs][:5]}, only it: {[*theirs - ours][:5]}"]


async def pages(client: httpx.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    """All items of a history, newest first."""
    params: dict[str, str | int] = {"limit": 1000}
    while True:
        page = (await client.get(path, params=params)).raise_for_status().json()
        for item in page["items"]:
            yield item
        if page["next_cursor"] is None:
            return
        params["cursor"] = page["next_cursor"]


def audit_samples(rig: Rig, mended_us: int) -> list[str]:
    """Every sample once, every hole known, under its right cause."""
    stored = stores.samples(stores.in_postgres(rig.postgres, stores.TELEMETRY))
    ledger = stores.gaps(stores.in_postgres(rig.postgres, stores.GAPS))
    wrong: list[str] = []
    for asset in rig.asset_ids:
        account = read_account(rig.meters, asset)
        missed = audit.missing(account, stored[asset], mended_us)
        strokes = rig.strokes(asset)
        lost = audit.unforgivable(missed, rig.kills(asset))
        found = audit.holes([s for s in stored[asset] if s.ts_us < mended_us], LIMIT_US)
        known = [gap for gap in ledger[asset] if gap.start_us < mended_us]
        wrong += [
            f"asset {asset}: {each}"
            for each in (
                *(f"{reading} is lost" for reading in lost),
                *audit.wrong_samples(account, stored[asset]),
                *audit.unexplained_holes(found, known, missed, strokes),
                *audit.wrong_gaps(known, stored[asset], missed, strokes),
            )
        ]
        print(f"{asset}: {len(account.readings)} readings, {len(missed)} died with their agent")
        print("\n".join(f"  {gap}" for gap in known))
    return wrong


def audit_orders(rig: Rig, orders: Orders) -> list[str]:
    """Every order that was answered is there, once, and what is said of it can be."""
    there = {row["id"]: row for row in stores.in_postgres(rig.postgres, "SELECT * FROM dispatches")}
    states: dict[str, list[str]] = {dispatch_id: [] for dispatch_id in there}
    for row in stores.in_postgres(
        rig.postgres, "SELECT * FROM dispatch_states ORDER BY dispatch_id, n"
    ):
        states[row["dispatch_id"]].append(row["state"])
    told = {mw for asset in rig.asset_ids for mw in read_account(rig.meters, asset).applied_mw}
    wrong = [f"an order was answered {answer}" for answer in orders.refused]
    wrong += [f"dispatch {each} is lost" for each in orders.noted.keys() - there.keys()]
    wrong += [f"dispatch {each} was never ordered" for each in there.keys() - orders.noted.keys()]
    for dispatch_id, row in there.items():
        passed = states[dispatch_id]
        if row["state"] not in ENDED or passed[-1:] != [row["state"]] or passed[0] != "pending":
            wrong.append(f"dispatch {dispatch_id} is {row['state']} after {passed}")
        if row["mw"] != orders.noted.get(dispatch_id, row["mw"]):
            wrong.append(f"dispatch {dispatch_id} has another power")
        if "started" in passed and row["mw"] not in told:
            wrong.append(f"dispatch {dispatch_id} has started, and its device was never told")
    return wrong


def audit_stores(rig: Rig) -> list[str]:
    """Both stores agree about everything."""
    return [
        difference
        for name, query in stores.RECORDS.items()
        for difference in stores.differences(
            name,
            stores.in_journal(rig.journal, query),
            stores.in_postgres(rig.postgres, query),
        )
    ]


def describe(rig: Rig, orders: Orders) -> Iterator[str]:
    """What was done, and how it went, for people."""
    for harm in Harm:
        count = sum(each.harm is harm for each in rig.suffered)
        yield f"{harm.value}: {count} times"
    yield (
        f"{len(orders.noted)} orders answered, {orders.replayed} of them when sent again; "
        f"{orders.unwell} tries without an answer, or refused for now"
    )
