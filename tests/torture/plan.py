"""The plan of a torture run: which harm strikes which target, and when. One seed draws it. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    """What can be done to a process, a link, a device or a disk."""

    KILL_HEADEND = "kill headend"
    """SIGKILL, then a new start. The same for the next two."""
    KILL_AGENT = "kill agent"
    KILL_POSTGRES = "kill postgres"
    RESTART_HEADEND = "restart headend"
    """SIGTERM, then a new start. The same for the next one."""
    RESTART_AGENT = "restart agent"
    CUT = "cut"
    """The proxy cuts every connection and refuses new ones."""
    STALL = "stall"
    """The proxy holds every byte back, and then delivers all of them."""
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
"""The shortest and the longest time that each harm lasts, seconds."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One harm to one target."""

    at_s: float
    """Seconds since the run began."""
    harm: Harm
    for_s: float
    target: int = 0
    """The number of the agent or asset, where there are several."""


def draw_plan(
    rng: random.Random, seconds: float, *, agents: int, assets: int, pause_s: float
) -> Iterator[Blow]:
    """Yields blows in the order of their time, on average ``pause_s`` apart; some overlap.

    Every harm comes once before any comes again, so a short plan has all of them.
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
