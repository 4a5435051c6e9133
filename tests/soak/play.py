"""Plays a plan: a world, its faults, its people, its observers, and the judge at the end."""

import logging
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from trio.testing import MockClock

from derhead.sessions.streams.incoming import Incoming
from derproto.codec import TelemetryColumns
from derproto.der.v1 import AgentMessage
from derproto.triogrpc import Deferred
from tests.soak.account import Account
from tests.soak.auditor import Auditor
from tests.soak.calm import BEFORE_S, judge_calm, look_at_calm
from tests.soak.database_twin import fed_by_headends
from tests.soak.event_reader import EventReader
from tests.soak.faults import Faults, disk_of
from tests.soak.judge import judge, judge_leftovers
from tests.soak.observer import (
    look_at_resources,
    open_files,
    watch_levels,
    watch_order,
    watch_outboxes,
    watch_resources,
    watch_telemetry,
)
from tests.soak.people import People
from tests.soak.plan import SETTLE_S, Act, Kind, Plan
from tests.soak.site_agent import tapped
from tests.soak.world import SoakWorld
from tests.support.deterministic import deterministic_trio
from tests.support.epoch import T0

PEOPLE = frozenset(
    {Kind.ORDER, Kind.SITE_ORDER, Kind.WITHDRAW, Kind.FOLLOW_EVENTS, Kind.READ_HISTORY}
)

TEMPORARY = frozenset({".tmp", ".new"})
"""Ends of the names of files that are being written."""

DRAIN_S = 1200.0
"""Calm after the last act, for windows to end and outboxes to drain."""


def play(
    folder: Path, plan: Plan, *, stop_early: bool = False, tell: Callable[[str], None] = print
) -> Account:
    """Plays the plan in an empty folder, and returns its judged account.

    With ``stop_early`` the first broken promise ends the run. Raises: nothing of the daemons; what
    ends one of them is a broken promise of the account.
    """
    folder.mkdir(parents=True, exist_ok=True)
    account = Account()
    files_before = open_files()
    account.count("no daemon ends by itself")
    with deterministic_trio(plan.seed), _counted_log(account), _counted_messages(account):
        try:
            trio.run(
                _live,
                folder,
                plan,
                account,
                stop_early,
                tell,
                clock=MockClock(autojump_threshold=0),
            )
        except Exception as error:  # noqa: BLE001 - whatever ends a daemon is what the run looks for
            words = "".join(traceback.format_exception(error))
            account.fault(account.stopped_s, "no daemon ends by itself", words)
    account.files_left = max(0, open_files() - files_before)
    account.temporary_left = sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in TEMPORARY
    )
    judge_leftovers(account)
    return account


async def _live(
    folder: Path, plan: Plan, account: Account, stop_early: bool, tell: Callable[[str], None]
) -> None:
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        world = SoakWorld(folder, plan, nursery, account)
        auditor = Auditor(world)
        follower = EventReader(world, "/events?kind=agent,dispatch")
        with tapped(world), disk_of(world), fed_by_headends(world.database):
            await world.start_headend()
            for agent in world.agents:
                await agent.start()
            async with trio.open_nursery() as watching:
                watching.start_soon(watch_telemetry, world)
                watching.start_soon(watch_levels, world)
                watching.start_soon(watch_order, world)
                watching.start_soon(watch_outboxes, world)
                watching.start_soon(watch_resources, world)
                watching.start_soon(partial(follower.read, math.inf, stops_reading=False))
                watching.start_soon(auditor.run)
                watching.start_soon(_tell_progress, world, tell)
                if stop_early:
                    watching.start_soon(_stop_early, account, watching.cancel_scope)
                await trio.sleep_until(BEFORE_S)
                before = await look_at_calm(world)
                await _do_all(world, plan)
                await trio.sleep(DRAIN_S)
                judge_calm(account, before, await look_at_calm(world), world.outbox_rows)
                watching.cancel_scope.cancel()
            await auditor.audit(T0 * 2)
            account.levels = await _ask_levels(world)
            account.stopped_s = trio.current_time()
            account.looks.append(look_at_resources(world))
            for agent in world.agents:
                await agent.stop()
            await world.end_headend(kill=False)
        nursery.cancel_scope.cancel()
    judge(world, auditor)
    follower.judge_dispatches()
    account.tasks_left = trio.lowlevel.current_statistics().tasks_living - tasks_before


async def _ask_levels(world: SoakWorld) -> list[dict[str, Any]]:
    answer = await world.rest.ask("GET", "/slo?by=asset")
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def _do_all(world: SoakWorld, plan: Plan) -> None:
    """Does every act of the plan at its time, and waits until the last has ended."""
    faults, people = Faults(world), People(world)
    async with trio.open_nursery() as acting:
        for act in plan.acts:
            await trio.sleep_until(act.at_s)
            world.account.acts[act.kind.value] += 1
            acting.start_soon(_do, faults, people, act)
        await trio.sleep_until(plan.seconds - SETTLE_S)


async def _do(faults: Faults, people: People, act: Act) -> None:
    await (people.do(act) if act.kind in PEOPLE else faults.do(act))


async def _stop_early(account: Account, scope: trio.CancelScope) -> None:
    await account.first_broken.wait()
    scope.cancel()


async def _tell_progress(world: SoakWorld, tell: Callable[[str], None]) -> None:
    while True:
        await trio.sleep(86_400)
        days, broken = trio.current_time() / 86_400, sum(world.account.broken.values())
        tell(f"day {days:.0f}: {world.account.acts.total()} acts, {broken} broken promises")


class _Counter(logging.Handler):
    """Counts log lines by their event; a traceback in the log is a broken promise."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        self._account.log_lines[str(event)] += 1
        self._account.count("no daemon logs a traceback")
        if record.exc_info:
            words = logging.Formatter().format(record)
            self._account.fault(self._account.now_s(), "no daemon logs a traceback", words[-3000:])


@contextmanager
def _counted_log(account: Account) -> Iterator[None]:
    root, counter = logging.getLogger(), _Counter(account)
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [counter]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _counted_messages(account: Account) -> Iterator[None]:
    take = Incoming.take_message

    def take_and_count(
        incoming: Incoming, message: AgentMessage | TelemetryColumns
    ) -> Deferred | None:
        account.messages += 1
        return take(incoming, message)

    with patch.object(Incoming, "take_message", take_and_count):
        yield
