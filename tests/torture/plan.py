"""What is done to whom, and when: drawn from one seed. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    """Something that is done, for as long as its blow says."""

    KILL_HEADEND = "kill headend"
    """SIGKILL; started again afterwards. The same for the next two."""
    KILL_AGENT = "kill agent"
    KILL_POSTGRES = "kill postgres"
    RESTART_HEADEND = "restart headend"
    """SIGTERM; started again afterwards."""
    RESTART_AGENT = "restart agent"
    CUT = "cut"
    """Every connection is cut, and none let in."""
    STALL = "stall"
    """Nothing passes between agents and headend, and then all of it."""
    HALF_OPEN = "half open"
    """One connection loses the headend's half."""
    FREEZE_HEADEND = "freeze headend"
    """SIGSTOP, then SIGCONT."""
    BREAK_DEVICE = "break device"
    """A device does not answer."""
    FILL_DISK = "fill disk"
    """The headend's data folder is full."""


LASTING_S = {
    Harm.KILL_HEADEND: (0.0, 4.0),
    Harm.KILL_AGENT: (0.0, 4.0),
    Harm.KILL_POSTGRES: (0.0, 6.0),
    Harm.RESTART_HEADEND: (0.0, 2.0),
    Harm.RESTART_AGENT: (0.0, 2.0),
    Harm.CUT: (0.0, 5.0),
    Harm.STALL: (0.5, 6.0),
    Harm.HALF_OPEN: (0.0, 0.0),
    Harm.FREEZE_HEADEND: (0.5, 5.0),
    Harm.BREAK_DEVICE: (2.0, 5.0),
    Harm.FILL_DISK: (2.0, 5.0),
}
"""Shortest and longest, seconds."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One harm to one target."""

    at_s: float
    """Since the beginning."""
    harm: Harm
    for_s: float
    target: int = 0
    """Which agent or asset, where there are several."""


def draw_plan(
    rng: random.Random, seconds: float, *, agents: int, assets: int, pause_s: float
) -> Iterator[Blow]:
    """Blows in order, on average ``pause_s`` apart, so that some overlap.

    All harms come in turn, each time in another order: a short plan has them all too.
    """
    at_s = 0.0
    waiting: list[Harm] = []
    while True:
        at_s += rng.uniform(0.2, 1.8) * pause_s
        if at_s >= seconds:
            return
        if not waiting:
            waiting = shuffled(rng, tuple(Harm))
        harm = waiting.pop()
        targets = assets if harm is Harm.BREAK_DEVICE else agents
        yield Blow(at_s, harm, rng.uniform(*LASTING_S[harm]), rng.randrange(targets))


def shuffled(rng: random.Random, harms: Sequence[Harm]) -> list[Harm]:
    return rng.sample(harms, len(harms))
