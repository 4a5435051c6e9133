"""Judges the gap ledger: holes in what is stored, and gaps without a fault."""

from collections.abc import Iterator

from tests.soak.account import Account
from tests.soak.auditor import Auditor, LedgerGap
from tests.soak.plan import Kind
from tests.soak.site_agent import SiteAgent
from tests.soak.world import SoakWorld

HOLE_S, RESTART_HOLE_S = 10.0, 6.0
"""Samples further apart have a hole between them: two and a half periods, or one and a half where
the agent was started again."""

EDGE_S = 8.5
"""How much of a hole's edge the ledger may leave out: a reported gap begins with the first missing
sample, and a silent device is given up a period after it was asked."""

CLOCK_S = 7200.0
"""The agent's clock is off by less."""

NEAR_S = 60.0
"""So long after a fault its consequences may begin."""

CAUSES: dict[str, frozenset[Kind]] = {
    "device": frozenset(
        {Kind.DEVICE_SILENT, Kind.DEVICE_ERRS, Kind.KILL_AGENT, Kind.STOP_AGENT, Kind.SET_CLOCK}
    ),
    "agent_restart": frozenset({Kind.KILL_AGENT, Kind.STOP_AGENT, Kind.DUPLICATE_AGENT}),
    "headend_restart": frozenset({Kind.KILL_HEADEND, Kind.STOP_HEADEND}),
    "link": frozenset(
        {
            *(Kind.CUT, Kind.REFUSE, Kind.HALF_OPEN, Kind.STALL, Kind.DELAY, Kind.THROTTLE),
            *(Kind.PARTITION, Kind.KILL_AGENT, Kind.STOP_AGENT, Kind.DUPLICATE_AGENT),
            *(Kind.KILL_HEADEND, Kind.STOP_HEADEND, Kind.DISK_FULL, Kind.ROTATE_TOKEN),
            *(Kind.ASSET_REMOVED, Kind.LIMITS_CHANGED),
        }
    ),
    "refused": frozenset({Kind.ASSET_REMOVED, Kind.DUPLICATE_AGENT}),
    "clock": frozenset({Kind.SET_CLOCK}),
    "overflow": frozenset(),
}
"""The faults that explain a gap of each cause."""


def judge_gaps(world: SoakWorld, auditor: Auditor, agent: SiteAgent, asset: int) -> None:
    """Every hole is in the ledger under a cause that the plan has, and every gap has its fault."""
    account = world.account
    gaps = [gap for gap in auditor.gaps.values() if gap.asset == asset and gap.cause != "none"]
    account.gaps.update(gap.cause for gap in gaps)
    copied = account.weather.spans(
        (Kind.DUPLICATE_AGENT,), account.stopped_s, agent=agent.number, asset=asset
    )
    for from_s, to_s in _holes(world, auditor, asset):
        offset_s = agent.clock_at(to_s) / 1e6
        inside = [
            gap
            for gap in gaps
            if not gap.backfilled
            and _missing_from(gap) < to_s + offset_s
            and (gap.to_s is None or gap.to_s > from_s + offset_s)
        ]
        words = f"the hole of asset {asset} from {from_s:.1f} to {to_s:.1f} s"
        if agent.clock_at(from_s) != agent.clock_at(to_s) or agent.stamps_again(from_s, to_s):
            # By the agent's clock there is no such hole.
            continue
        if any(each.overlaps(from_s, to_s) for each in copied):
            # The devices of the copy's machine answered meanwhile.
            continue
        account.count("every hole is in the gap ledger")
        if any(
            length_s > EDGE_S for length_s in _uncovered(inside, from_s + offset_s, to_s + offset_s)
        ):
            account.fault(from_s, "every hole is in the gap ledger", f"{words}: {inside}")
        for gap in inside:
            _judge_cause(account, agent, asset, gap, from_s, to_s)
    for gap in gaps:
        account.count("every gap ends")
        if gap.to_s is None:
            account.fault(gap.from_s, "every gap ends", f"asset {asset}: {gap}")
            continue
        offset_s = agent.clock_at(gap.to_s) / 1e6
        from_s, to_s = gap.from_s - offset_s, gap.to_s - offset_s
        if agent.clock_at(from_s - CLOCK_S) == agent.clock_at(to_s + CLOCK_S):
            _judge_cause(account, agent, asset, gap, from_s, to_s)


def _judge_cause(
    account: Account, agent: SiteAgent, asset: int, gap: LedgerGap, from_s: float, to_s: float
) -> None:
    fitting = account.weather.spans(
        CAUSES.get(gap.cause, ()), account.stopped_s, agent=agent.number, asset=asset
    )
    account.count("every gap has its true cause")
    if not any(each.overlaps(from_s - NEAR_S, to_s + NEAR_S) for each in fitting):
        words = f"asset {asset}, hole {from_s:.1f} to {to_s:.1f} s: nothing explains {gap}"
        account.fault(from_s, "every gap has its true cause", words)


def _holes(world: SoakWorld, auditor: Auditor, asset: int) -> Iterator[tuple[float, float]]:
    """The times between two neighbouring stored readings that are too far apart."""
    meter, stored, boots = world.meters[asset], auditor.stored[asset], auditor.boots[asset]
    before_us, before_boot = None, -1
    for reading, read_us in enumerate(meter.read_us):
        if reading >= len(stored) or not stored[reading]:
            continue
        if before_us is not None:
            limit_s = HOLE_S if boots[reading] == before_boot else RESTART_HOLE_S
            if (read_us - before_us) / 1e6 > limit_s + 0.5:
                yield world.seconds(before_us), world.seconds(read_us)
        before_us, before_boot = read_us, boots[reading]


def _missing_from(gap: LedgerGap) -> float:
    return gap.from_s if gap.filled_s is None else gap.filled_s


def _uncovered(gaps: list[LedgerGap], from_s: float, to_s: float) -> Iterator[float]:
    """The lengths of what is in none of the gaps, seconds."""
    reached_s = from_s
    for gap in sorted(gaps, key=_missing_from):
        yield _missing_from(gap) - reached_s
        reached_s = max(reached_s, to_s if gap.to_s is None else gap.to_s)
    yield to_s - reached_s
