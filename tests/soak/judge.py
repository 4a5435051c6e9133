"""Judges a run at its end: the devices' records, the audited journal, and the plan's faults."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from derhead.dispatch import Dispatch
from derproto.configuration.fleet import Asset
from tests.soak.account import Account
from tests.soak.auditor import Auditor, LedgerGap
from tests.soak.growth import judge_growth
from tests.soak.judging_orders import judge_orders
from tests.soak.plan import Kind
from tests.soak.site_agent import SiteAgent
from tests.soak.world import SoakWorld
from tests.support.dispatch.invariants import CHECKS
from tests.support.dispatch.record import Record, Span, Told, seconds

MEMORY_S = 11.0
"""What a killed agent may have held in memory alone."""

HOLE_S, RESTART_HOLE_S = 10.0, 6.0
"""Samples further apart have a hole between them: two and a half periods, or one and a half where
the agent was started again."""

EDGE_S = 8.5
"""How much of a hole's edge the ledger may leave out: a reported gap begins with the first missing
sample, and a silent device is given up a period after it was asked."""

CLOCK_S = 7200.0
"""The agent's clock is moved by less."""

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

PERIOD_S = 4.0
"""Every device is read as often."""

MUTE = (Kind.DEVICE_SILENT, Kind.DEVICE_ERRS)
"""Faults during which a device gives no reading."""

LOSSES = frozenset({Kind.ASSET_REMOVED, Kind.DUPLICATE_AGENT})
"""Faults during which the headend refuses samples of the asset."""


def judge(world: SoakWorld, auditor: Auditor) -> None:
    """Puts every promise that is judged at the end to the test."""
    for agent in world.agents:
        for asset in agent.numbers:
            _judge_readings(world, agent, asset)
            _judge_samples(world, auditor, agent, asset)
            _judge_gaps(world, auditor, agent, asset)
            _judge_dispatches(world, agent, asset)
    _judge_orders(world)
    _judge_database(world, auditor)
    _judge_levels(world)
    judge_growth(world.account)


# --- samples -------------------------------------------------------------------------------


def _judge_samples(world: SoakWorld, auditor: Auditor, agent: SiteAgent, asset: int) -> None:
    account, meter = world.account, world.meters[asset]
    stored, acked = auditor.stored[asset], world.acked[asset]
    losses = account.weather.spans(LOSSES, account.stopped_s, agent=agent.number, asset=asset)
    losses = [
        Span(_held_since(account, agent, each.from_s) - MEMORY_S, each.to_s + NEAR_S)
        for each in losses
    ]
    kills = [Span(each.from_s - MEMORY_S, each.to_s) for each in agent.killed]
    for reading, read_us in enumerate(meter.read_us):
        if reading < len(stored) and stored[reading]:
            continue
        at_s = world.seconds(read_us)
        if reading < len(acked) and acked[reading]:
            words = f"reading {reading} of asset {asset} was acknowledged, and is not stored"
            account.fault(at_s, "no acknowledged sample is lost", words)
        elif not any(each.overlaps(at_s, at_s) for each in (*kills, *losses)):
            words = f"reading {reading} of asset {asset} is not stored"
            account.fault(at_s, "no sample is lost but in a kill's last 10 s", words)


def _judge_readings(world: SoakWorld, agent: SiteAgent, asset: int) -> None:
    """A device that answers is read every period."""
    account, read_us = world.account, world.meters[asset].read_us
    excused = [*agent.down, *account.weather.spans(MUTE, account.stopped_s, asset=asset)]
    for before_us, after_us in pairwise(read_us):
        apart_s, at_s = (after_us - before_us) / 1e6, world.seconds(before_us)
        if apart_s > PERIOD_S + 0.5 and not any(
            each.overlaps(at_s - PERIOD_S, at_s + apart_s) for each in excused
        ):
            words = f"asset {asset} was read again after {apart_s:.1f} s"
            account.fault(at_s, "a device is read every 4 s", words)


def _held_since(account: Account, agent: SiteAgent, at_s: float) -> float:
    """The start of the outage in which the agent was at that time: it held samples since."""
    for trouble in sorted(account.weather.troubles, key=lambda each: -each.from_s):
        if agent.number in trouble.agents:
            span = trouble.span(account.stopped_s)
            if span.overlaps(at_s, at_s) or span.overlaps(at_s - NEAR_S, at_s):
                at_s = min(at_s, span.from_s)
    return at_s


# --- gaps ----------------------------------------------------------------------------------


def _judge_gaps(world: SoakWorld, auditor: Auditor, agent: SiteAgent, asset: int) -> None:
    """Every hole is in the ledger under a cause that the plan has, and every gap has its fault."""
    account = world.account
    gaps = [gap for gap in auditor.gaps.values() if gap.asset == asset and gap.cause != "none"]
    account.gaps.update(gap.cause for gap in gaps)
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
        if any(
            length_s > EDGE_S for length_s in _uncovered(inside, from_s + offset_s, to_s + offset_s)
        ):
            account.fault(from_s, "every hole is in the gap ledger", f"{words}: {inside}")
        for gap in inside:
            _judge_cause(account, agent, asset, gap, from_s, to_s)
    for gap in gaps:
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


# --- dispatches ----------------------------------------------------------------------------


def _judge_dispatches(world: SoakWorld, agent: SiteAgent, asset: int) -> None:
    account, meter = world.account, world.meters[asset]
    ours = sorted(
        (each for each in account.dispatches.values() if each.asset_id == meter.asset.id),
        key=lambda each: each.created_us,
    )
    unwilling = account.weather.spans(
        (Kind.DEVICE_SILENT, Kind.DEVICE_ERRS), account.stopped_s, asset=asset
    )
    copied = account.weather.spans((Kind.DUPLICATE_AGENT,), account.stopped_s, agent=agent.number)
    record = Record(
        meter.asset.failsafe,
        told=[Told(at_s, _told_which(ours, meter.asset, at_s, mw)) for at_s, mw in meter.told],
        dispatches={each.id: each for each in ours},
        down=agent.down,
        unwilling=unwilling,
        misled_s=agent.misled_s,
        silent=agent.silent,
        welcomes=agent.welcomes,
        ended_s=account.stopped_s,
    )
    judge_orders(
        account, agent.number, asset, record, [d for d in ours if not _is_touched(d, copied)]
    )
    for number, dispatch in enumerate(ours):
        if dispatch.mw == meter.asset.default_mw or _is_touched(dispatch, copied):
            # The device's record cannot tell it from the default; or a copy may have been told.
            continue
        for check in CHECKS:
            for wrong in check(record, dispatch):
                account.fault(
                    seconds(dispatch.created_us),
                    f"a dispatch {check.__name__.replace('_', ' ')}",
                    f"asset {asset}, dispatch {number} of {dispatch.mw} MW {wrong}",
                )


def _told_which(
    dispatches: list[Dispatch], asset: Asset, at_s: float, mw: float | None
) -> str | None:
    """The dispatch whose power a device was told; None for its default or its own control."""
    fitting = [each for each in dispatches if each.mw == mw]
    if not fitting or mw == asset.default_mw:
        return None
    # Parts of sites' orders may ask the same power: the last one ordered by then.
    place = bisect_right([seconds(each.created_us) for each in fitting], at_s)
    return fitting[max(0, place - 1)].id


def _is_touched(dispatch: Dispatch, spans: list[Span]) -> bool:
    until_s = seconds(dispatch.states[-1].at_us)
    return any(
        Span(each.from_s - NEAR_S, each.to_s + NEAR_S).overlaps(
            seconds(dispatch.created_us), until_s
        )
        for each in spans
    )


def _judge_orders(world: SoakWorld) -> None:
    account = world.account
    for given in account.given.values():
        if given.dispatch_id not in account.dispatches:
            words = f"order {given.number} to asset {given.asset}"
            account.fault(given.at_s, "no acknowledged order is lost, and each ends", words)


def _judge_database(world: SoakWorld, auditor: Auditor) -> None:
    """PostgreSQL has every sample and every end of a dispatch that the journal ever had."""
    account, promise = world.account, "PostgreSQL has all that the journal had"
    for asset, stored in enumerate(auditor.stored):
        fed = world.database.readings.get(world.assets[asset].id, bytearray())
        missing = [
            reading
            for reading, mark in enumerate(stored)
            if mark and (reading >= len(fed) or not fed[reading])
        ]
        if missing:
            words = f"asset {asset}: {len(missing)} readings are not there, from {missing[0]} on"
            account.fault(world.seconds(world.meters[asset].read_us[missing[0]]), promise, words)
    for dispatch in account.dispatches.values():
        state = world.database.states.get(dispatch.id)
        if state != dispatch.state:
            words = f"a dispatch that is {dispatch.state} is {state} there"
            account.fault(seconds(dispatch.created_us), promise, words)


SHARE = 0.003
"""How far a share that the headend counted may be from that of looks every 2.5 s."""


def _judge_levels(world: SoakWorld) -> None:
    """``GET /slo`` says what looks from outside found."""
    account, promise = world.account, "service levels agree with the judge"
    said = {each["id"]: each for each in account.levels}
    for number, seen in account.seen.items():
        level = said.get(world.assets[number].id)
        if level is None:
            account.fault(account.stopped_s, promise, f"asset {number} is not there")
            continue
        for name, found in (("telemetry", seen.fresh), ("availability", seen.held)):
            share = found / seen.looks
            if abs(level[name] - share) > SHARE:
                words = f"asset {number}: {name} {level[name]:.5f}, and {share:.5f} by looks"
                account.fault(account.stopped_s, promise, words)


# --- what is left ------------------------------------------------------------


def judge_leftovers(account: Account) -> None:
    """Puts to the test that nothing is left once the run is over."""
    at_s = account.stopped_s
    if account.tasks_left:
        account.fault(at_s, "no task is left", f"{account.tasks_left} tasks are left")
    if account.files_left:
        account.fault(at_s, "no file is left open", f"{account.files_left} files are left open")
    for name in account.temporary_left:
        account.fault(at_s, "no temporary file is left", name)
