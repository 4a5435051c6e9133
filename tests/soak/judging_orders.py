"""Judges what became of orders beyond the life of one dispatch: how soon it is known, withdrawn, or
refused, and that nothing is ordered twice."""

from collections import Counter
from collections.abc import Iterator

from derhead.dispatch import Dispatch, State
from derproto.configuration.fleet import Limits
from tests.soak.account import Account
from tests.soak.plan import Kind
from tests.soak.weather import Weather
from tests.support.dispatch.record import Record, Span, seconds

IN_TIME_S = 2.0
"""A report, and a withdrawal, take at most so long while the agent is connected."""

BACK_S = 65.0
"""So long after a fault the agent is certainly back."""

SEEN_S = 2.0
"""A changed ``assets.yaml`` is in force after this time."""

HEADEND = (Kind.KILL_HEADEND, Kind.STOP_HEADEND, Kind.DISK_FULL)


def judge_orders(
    account: Account, agent: int, asset: int, record: Record, dispatches: list[Dispatch]
) -> None:
    """Judges all dispatches of one asset."""
    _judge_repeats(account, asset, dispatches)
    weather, now_s = account.weather, account.stopped_s
    faults = weather.spans(Kind, now_s, agent=agent, asset=asset)
    removals = weather.spans((Kind.ASSET_REMOVED,), now_s, asset=asset)
    away = weather.spans(HEADEND, now_s, agent=agent)
    for dispatch in dispatches:
        where = f"asset {asset}, dispatch of {dispatch.mw} MW"
        _judge_reports(account, faults, record, dispatch, where)
        _judge_withdrawal(account, faults, record, dispatch, where)
        promise = "a removed asset's dispatches end at once"
        account.count(promise)
        for wrong in _left_by_removal(removals, away, dispatch):
            account.fault(seconds(dispatch.created_us), promise, f"{where} {wrong}")


def _is_all_well(faults: list[Span], at_s: float) -> bool:
    """Whether nothing was wrong with agent and asset at that time, nor long enough before it."""
    return not any(each.overlaps(at_s - BACK_S, at_s + IN_TIME_S) for each in faults)


def _judge_repeats(account: Account, asset: int, dispatches: list[Dispatch]) -> None:
    """No order asked the same power of an asset before, but parts of sites' orders may."""
    counts = Counter(each.mw for each in dispatches if each.group_id is None)
    for dispatch in dispatches:
        if dispatch.group_id is None and counts[dispatch.mw] > 1:
            words = f"asset {asset} has {counts[dispatch.mw]} dispatches of {dispatch.mw} MW"
            promise = "an order that is repeated with its key is taken once"
            account.fault(seconds(dispatch.created_us), promise, words)


def _judge_reports(
    account: Account, faults: list[Span], record: Record, dispatch: Dispatch, where: str
) -> None:
    """The headend knows of a start and of an end soon after it."""
    followed = record.followed(dispatch.id)
    changed = {change.state: seconds(change.at_us) for change in dispatch.states}
    due = []
    if followed:
        due.append((State.STARTED, followed[0].from_s))
    if dispatch.state is State.COMPLETED and dispatch.window.end_us is not None:
        due.append((State.COMPLETED, seconds(dispatch.window.end_us)))
    for state, at_s in due:
        ended_s = seconds(dispatch.states[-1].at_us)
        if state is State.STARTED and ended_s < at_s + IN_TIME_S:
            continue
        if _is_all_well(faults, at_s):
            latency_s = changed.get(state, float("inf")) - at_s
            account.try_promise(
                "a report is at the headend within 2 s while its agent is connected",
                latency_s,
                IN_TIME_S,
                at_s,
                f"{where}: {state} was known {latency_s:.3f} s later",
            )


def _judge_withdrawal(
    account: Account, faults: list[Span], record: Record, dispatch: Dispatch, where: str
) -> None:
    """A device leaves a dispatch soon after it was withdrawn."""
    times = (account.withdrawn.get(each) for each in (dispatch.id, dispatch.group_id) if each)
    at_s = min((at_s for at_s in times if at_s is not None), default=None)
    if at_s is None or not _is_all_well(faults, at_s):
        return
    left_s = max((stretch.to_s for stretch in record.followed(dispatch.id)), default=at_s)
    account.try_promise(
        "a withdrawn dispatch leaves its device within 2 s while its agent is connected",
        left_s - at_s,
        IN_TIME_S,
        at_s,
        f"{where} was followed for {left_s - at_s:.3f} s after its withdrawal",
    )


def _left_by_removal(removals: list[Span], away: list[Span], dispatch: Dispatch) -> Iterator[str]:
    began_s, ended_s = seconds(dispatch.created_us), seconds(dispatch.states[-1].at_us)
    for removal in removals:
        seen_s = removal.from_s + SEEN_S
        if any(each.overlaps(removal.from_s - BACK_S, seen_s) for each in away):
            continue
        if began_s < removal.from_s and ended_s > seen_s:
            yield f"went on for {ended_s - removal.from_s:.3f} s after its asset was removed"


def why_refused(
    weather: Weather, number: int, limits: Limits, mw: float, from_s: float, to_s: float
) -> str | None:
    """Why an order that was given in that time must have been refused; None if it may stand.

    The headend must know what has been in ``assets.yaml`` for ``SEEN_S``.
    """
    narrow = Limits(limits.min_mw / 2, limits.max_mw / 2)
    reasons = {Kind.ASSET_REMOVED: "its asset is not in the fleet"}
    if mw not in narrow:
        reasons[Kind.LIMITS_CHANGED] = "its power is beyond the limits"
    for kind, words in reasons.items():
        for span in weather.spans((kind,), to_s, asset=number):
            if span.from_s <= from_s - SEEN_S and span.to_s >= to_s:
                return words
    return None
