"""The plan of a simulated week: every fault, order and reader, drawn from a seed. Pure.

A plan is data. A part of a plan is a plan too, so a failing one can be shortened and played again.
"""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

SETTLE_S = 240.0
"""Quiet at the end of a run, for what is still under way."""

ASSETS_PER_AGENT = 5


class Kind(StrEnum):
    """What a plan may do. Each value is what a report calls it."""

    # Links. The target is an agent's number.
    CUT = "cut"
    """The connection breaks."""
    REFUSE = "refuse"
    """The connection breaks, and new ones are refused."""
    HALF_OPEN = "half-open link"
    """Both ends look open, and carry nothing any more."""
    STALL = "stall"
    """All bytes are held back, and then arrive."""
    DELAY = "delay"
    """Every byte takes ``value`` seconds, each way."""
    THROTTLE = "throttle"
    """``value`` bytes a second, each way."""
    PARTITION = "partition"
    """No agent of a site reaches the headend. The target is a site's number."""
    # Processes.
    DUPLICATE_AGENT = "duplicate agent"
    """A copy of the agent's machine runs elsewhere, with devices of its own."""
    KILL_AGENT = "kill agent"
    """With a ``value`` above 0.5 its machine loses power: nobody closes its connection."""
    STOP_AGENT = "stop agent"
    KILL_HEADEND = "kill headend"
    STOP_HEADEND = "stop headend"
    SET_CLOCK = "set clock"
    """The agent's clock is ``value`` seconds ahead from now on."""
    # Devices. The target is an asset's number.
    DEVICE_SILENT = "device silent"
    """It does not answer."""
    DEVICE_ERRS = "device errs"
    """It answers with an error."""
    DEVICE_LIES = "device lies"
    """It takes commands, answers that it follows them, and does not."""
    DEVICE_MOVES = "device moves"
    """Its power moves by itself."""
    # The headend's surroundings.
    DISK_FULL = "disk full"
    DATABASE_AWAY = "database away"
    """With a ``value`` above 0.7, a standby takes over that has not seen the last batches."""
    LIMITS_CHANGED = "limits changed"
    """``assets.yaml`` halves an asset's limits, and gives them back."""
    ASSET_REMOVED = "asset removed"
    """``assets.yaml`` loses an asset, and gets it back."""
    LOG_LEVEL = "log level"
    ROTATE_CERTIFICATES = "rotate certificates"
    """The headend and the agent behind TLS get new certificates and keys."""
    ROTATE_TOKEN = "rotate token"
    """The agent gets a new token; the old one is revoked after ``for_s``."""
    # People and programs.
    ORDER = "order"
    """``value`` is the share of the asset's range, 0..1; ``start_in_s`` schedules it."""
    WITHDRAW = "withdraw"
    """The target counts back from the last order."""
    SITE_ORDER = "site order"
    FOLLOW_EVENTS = "follow events"
    READ_HISTORY = "read history"


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a plan."""

    at_s: float
    """Seconds since the run began."""
    kind: Kind
    target: int = 0
    for_s: float = 0.0
    value: float = 0.0
    start_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    seed: int
    seconds: float
    agents: int
    assets: int
    acts: tuple[Act, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    def with_acts(self, acts: Sequence[Act], seconds: float | None = None) -> "Plan":
        """The same run with other acts, and perhaps of another length."""
        return replace(self, acts=tuple(acts), seconds=seconds or self.seconds)


@dataclass(frozen=True, slots=True)
class Habit:
    """How often something happens, and how much of it."""

    every_h: float
    """Hours between two of them, on average."""
    for_s: tuple[float, float] = (0.0, 0.0)
    value: tuple[float, float] = (0.0, 0.0)


LINKS = (Kind.CUT, Kind.REFUSE, Kind.HALF_OPEN, Kind.STALL, Kind.DELAY, Kind.THROTTLE)
AGENTS = (Kind.DUPLICATE_AGENT, Kind.KILL_AGENT, Kind.STOP_AGENT, Kind.SET_CLOCK, Kind.ROTATE_TOKEN)
ORDERING = (Kind.ORDER, Kind.SITE_ORDER, Kind.WITHDRAW)
DEVICES = (Kind.DEVICE_SILENT, Kind.DEVICE_ERRS, Kind.DEVICE_LIES, Kind.DEVICE_MOVES)

HABITS: dict[Kind, Habit] = {
    Kind.CUT: Habit(0.75),
    Kind.REFUSE: Habit(1.5, (1, 600)),
    Kind.HALF_OPEN: Habit(4, (50, 50)),
    Kind.STALL: Habit(1.5, (1, 120)),
    Kind.DELAY: Habit(3, (60, 1800), (0.05, 1.5)),
    Kind.THROTTLE: Habit(4, (60, 1200), (300, 5000)),
    Kind.PARTITION: Habit(5, (10, 1800)),
    Kind.DUPLICATE_AGENT: Habit(12, (20, 300)),
    Kind.KILL_AGENT: Habit(3, (0.5, 300), (0, 1)),
    Kind.STOP_AGENT: Habit(5, (0.5, 120)),
    Kind.KILL_HEADEND: Habit(6, (0.5, 90)),
    Kind.STOP_HEADEND: Habit(10, (0.5, 3600)),
    Kind.SET_CLOCK: Habit(10, value=(-5400, 5400)),
    Kind.DEVICE_SILENT: Habit(1.5, (5, 600)),
    Kind.DEVICE_ERRS: Habit(1.5, (5, 600)),
    Kind.DEVICE_LIES: Habit(4, (60, 1800)),
    Kind.DEVICE_MOVES: Habit(2, (30, 900)),
    Kind.DISK_FULL: Habit(12, (10, 300)),
    Kind.DATABASE_AWAY: Habit(6, (1, 3600), (0, 1)),
    Kind.LIMITS_CHANGED: Habit(8, (60, 3600)),
    Kind.ASSET_REMOVED: Habit(16, (60, 1200)),
    Kind.LOG_LEVEL: Habit(12),
    Kind.ROTATE_CERTIFICATES: Habit(12),
    Kind.ROTATE_TOKEN: Habit(10, (30, 600)),
    Kind.ORDER: Habit(0.08, (2, 900), (0, 1)),
    Kind.WITHDRAW: Habit(0.5),
    Kind.SITE_ORDER: Habit(0.75, (20, 900), (0, 1)),
    Kind.FOLLOW_EVENTS: Habit(1, (5, 1200), (0, 1)),
    Kind.READ_HISTORY: Habit(0.5),
}


def draw_plan(seed: int, seconds: float, assets: int, *, busy: float = 1.0) -> Plan:
    """Draws the plan of a run. Each kind has dice of its own, so that a longer run begins alike.

    ``busy`` is how many times the usual orders people give.
    """
    agents = max(1, assets // ASSETS_PER_AGENT)
    acts = [
        act
        for kind, habit in HABITS.items()
        for act in _acts(
            kind,
            replace(habit, every_h=habit.every_h / busy) if kind in ORDERING else habit,
            random.Random(f"{seed}/{kind.value}"),
            seconds,
            agents,
            assets,
        )
    ]
    acts += list(_outages(acts, seed, seconds))
    return Plan(seed, seconds, agents, assets, tuple(sorted(acts, key=lambda act: act.at_s)))


def _outages(acts: Iterable[Act], seed: int, seconds: float) -> Iterator[Act]:
    """Outages around every other end of an agent: by chance it would seldom hold samples then."""
    for act in acts:
        if act.kind not in (Kind.KILL_AGENT, Kind.STOP_AGENT):
            continue
        rng = random.Random(f"{seed}/outage/{act.at_s}")
        strikes, before_s, after_s = rng.random() < 0.5, rng.uniform(15, 300), rng.uniform(0, 120)
        from_s, for_s = act.at_s - before_s, before_s + act.for_s + after_s
        if strikes and from_s > 60.0 and from_s + for_s < seconds - SETTLE_S:
            yield Act(round(from_s, 3), Kind.REFUSE, act.target, round(for_s, 3))


def _acts(
    kind: Kind, habit: Habit, rng: random.Random, seconds: float, agents: int, assets: int
) -> Iterator[Act]:
    at_s = 60.0
    while True:
        at_s += rng.expovariate(1 / (habit.every_h * HOUR_S))
        targets = assets if kind in DEVICES or kind in _OF_ASSETS else agents
        act = Act(
            round(at_s, 3),
            kind,
            rng.randrange(4) if kind is Kind.WITHDRAW else rng.randrange(targets),
            round(rng.uniform(*habit.for_s), 3),
            round(rng.uniform(*habit.value), 3),
            rng.choice((0.0, 0.0, 0.0, 5.0, 90.0, 1200.0)),
        )
        if at_s + max(act.for_s, act.start_in_s) >= seconds - SETTLE_S:
            return
        yield act


_OF_ASSETS = (Kind.ORDER, Kind.LIMITS_CHANGED, Kind.ASSET_REMOVED, Kind.READ_HISTORY)


def plan_of(text: str) -> Plan:
    """The plan that ``to_json`` wrote.

    Raises: ValueError, KeyError or TypeError for anything else.
    """
    fields = json.loads(text)
    acts = tuple(Act(**{**act, "kind": Kind(act["kind"])}) for act in fields.pop("acts"))
    return Plan(**fields, acts=acts)
