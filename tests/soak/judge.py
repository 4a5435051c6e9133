"""Judges a run at its end: the devices' records, the audited journal, and the plan's faults."""

from bisect import bisect_right
from itertools import pairwise

from derhead.dispatch import Dispatch
from derhead.dispatch.life.lifecycle import REMOVED
from derproto.configuration.fleet import Asset
from tests.soak.account import Account
from tests.soak.auditor import Auditor
from tests.soak.growth import judge_growth
from tests.soak.judging_gaps import NEAR_S, judge_gaps
from tests.soak.judging_orders import judge_orders
from tests.soak.plan import Kind
from tests.soak.site_agent import SiteAgent
from tests.soak.world import SoakWorld
from tests.support.dispatch.invariants import CHECKS, leaves_when_it_ends
from tests.support.dispatch.record import Record, Span, Told, seconds

MEMORY_S = 11.0
"""What a killed agent may have held in memory alone."""

COMMIT_S = 2.0
"""What was read so shortly before the end may still be on its way to the journal."""

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
            judge_gaps(world, auditor, agent, asset)
            _judge_dispatches(world, agent, asset)
    _judge_orders(world, auditor)
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
    account.count("no acknowledged sample is lost", sum(acked))
    account.count("no sample is lost but in a kill's last 10 s", len(meter.read_us))
    for reading, read_us in enumerate(meter.read_us):
        if reading < len(stored) and stored[reading]:
            continue
        at_s = world.seconds(read_us)
        if at_s > account.stopped_s - COMMIT_S:
            break
        if reading < len(acked) and acked[reading]:
            words = f"reading {reading} of asset {asset} was acknowledged, and is not stored"
            account.fault(at_s, "no acknowledged sample is lost", words)
        elif not any(each.overlaps(at_s, at_s) for each in (*kills, *losses)):
            words = f"reading {reading} of asset {asset} is not stored"
            account.fault(at_s, "no sample is lost but in a kill's last 10 s", words)


def _judge_readings(world: SoakWorld, agent: SiteAgent, asset: int) -> None:
    """A device that answers is read every period."""
    account, read_us = world.account, world.meters[asset].read_us
    account.count("a device is read every 4 s", len(read_us))
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
            if check is leaves_when_it_ends and dispatch.detail == REMOVED:
                # It ends at once; its agent is told when it registers again.
                continue
            promise = f"a dispatch {check.__name__.replace('_', ' ')}"
            account.count(promise)
            for wrong in check(record, dispatch):
                words = f"asset {asset}, dispatch {number} of {dispatch.mw} MW {wrong}"
                account.fault(seconds(dispatch.created_us), promise, words)


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


def _judge_orders(world: SoakWorld, auditor: Auditor) -> None:
    account, promise = world.account, "no acknowledged order is lost, and each ends"
    account.count(promise, len(account.given))
    for given in account.given.values():
        if given.dispatch_id not in account.dispatches:
            words = f"order {given.number} to asset {given.asset}"
            account.fault(given.at_s, promise, words)
    account.count(promise, len(auditor.open_dispatches))
    for dispatch in auditor.open_dispatches:
        if dispatch.id not in account.given:
            account.fault(
                seconds(dispatch.created_us), promise, f"part of a site's order: {dispatch.state}"
            )


def _judge_database(world: SoakWorld, auditor: Auditor) -> None:
    """PostgreSQL has every sample and every end of a dispatch that the journal ever had."""
    account, promise = world.account, "PostgreSQL has all that the journal had"
    for asset, stored in enumerate(auditor.stored):
        account.count(promise)
        fed = world.database.readings.get(world.assets[asset].id, bytearray())
        missing = [
            reading
            for reading, mark in enumerate(stored)
            if mark and (reading >= len(fed) or not fed[reading])
        ]
        if missing:
            words = f"asset {asset}: {len(missing)} readings are not there, from {missing[0]} on"
            account.fault(world.seconds(world.meters[asset].read_us[missing[0]]), promise, words)
    account.count(promise, len(account.dispatches))
    for dispatch in account.dispatches.values():
        state = world.database.states.get(dispatch.id)
        if state != dispatch.state:
            words = f"a dispatch that is {dispatch.state} is {state} there"
            account.fault(seconds(dispatch.created_us), promise, words)


SHARE = 0.003
"""How far a share that the headend counted may be from that of looks every 2.5 s."""


EDGE_S = 45.0
"""Headend and agent notice a dead link at other times. In a short run that is no small share."""


def _judge_levels(world: SoakWorld) -> None:
    """``GET /slo`` says what looks from outside found."""
    account, promise = world.account, "service levels agree with the judge"
    said = {each["id"]: each for each in account.levels}
    bound = max(SHARE, EDGE_S / account.stopped_s)
    for number, seen in account.seen.items():
        level = said.get(world.assets[number].id)
        if level is None:
            account.fault(account.stopped_s, promise, f"asset {number} is not there")
            continue
        for name, found in (("telemetry", seen.fresh), ("availability", seen.held)):
            account.count(promise)
            share = found / seen.looks
            if abs(level[name] - share) > bound:
                words = f"asset {number}: {name} {level[name]:.5f}, and {share:.5f} by looks"
                account.fault(account.stopped_s, promise, words)


# --- what is left ------------------------------------------------------------


def judge_leftovers(account: Account) -> None:
    """Puts to the test that nothing is left once the run is over."""
    at_s = account.stopped_s
    for left in ("task is left", "file is left open", "temporary file is left"):
        account.count(f"no {left}")
    if account.tasks_left:
        account.fault(at_s, "no task is left", f"{account.tasks_left} tasks are left")
    if account.files_left:
        account.fault(at_s, "no file is left open", f"{account.files_left} files are left open")
    for name in account.temporary_left:
        account.fault(at_s, "no temporary file is left", name)
