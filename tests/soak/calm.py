"""The calm before the first fault and after the last: both must look alike.

A run is too short for a small leak to show by its growth. But a session, a task or a file that is
left behind by one fault is still there when everything is calm again.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import trio

from tests.soak.account import Account
from tests.soak.observer import open_files
from tests.soak.world import SoakWorld

BEFORE_S = 50.0
"""When the first look is taken: all agents are connected, and no act has begun."""

LOOKS, APART_S = 5, 0.7
"""So many looks, and the seconds between two."""

HELD_ROWS = 30
"""Rows of one agent that may wait for an acknowledgement in the calm."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What is there while nothing happens."""

    tasks: int
    files: int
    sessions: int
    """Live sessions at the headend."""
    open_dispatches: int
    silent_assets: int
    """Assets whose gap has no end yet."""


async def look_at_calm(world: SoakWorld) -> Calm:
    """Counts what is there at each of a few moments: a message may be on its way at any of them."""
    looks = []
    for _ in range(LOOKS):
        looks.append(_look(world))
        await trio.sleep(APART_S)
    return Calm(*(min(counts) for counts in zip(*map(astuple, looks), strict=True)))


def _look(world: SoakWorld) -> Calm:
    headend = world.headend
    assert headend is not None
    return Calm(
        trio.lowlevel.current_statistics().tasks_living,
        open_files(),
        len(headend.sessions.live),
        len(headend.desk.open_dispatches()),
        sum(headend.gaps.statistics().lasting.values()),
    )


def judge_calm(account: Account, first: Calm, last: Calm, outbox_rows: Sequence[int]) -> None:
    """Puts to the test that both looks are alike, and that each outbox is empty at the end."""
    at_s = account.now_s()
    for field in fields(Calm):
        account.count("nothing is left once all is calm again")
        before, after = getattr(first, field.name), getattr(last, field.name)
        if before != after:
            words = f"{field.name.replace('_', ' ')}: {before} before the first fault, {after} now"
            account.fault(at_s, "nothing is left once all is calm again", words)
    for agent, rows in enumerate(outbox_rows):
        account.count("every outbox is empty once all is calm again")
        if rows > HELD_ROWS:
            words = f"agent {agent} still holds {rows} rows"
            account.fault(at_s, "every outbox is empty once all is calm again", words)
