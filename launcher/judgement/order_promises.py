"""Orders: in time, none lost, none twice, none beyond its window: pure."""

from collections.abc import Iterator
from itertools import pairwise

from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import DeviceNote, Evidence, PlacedOrder
from launcher.judgement.fault_times import FaultTimes, S, strikes_process_of

DISPATCH_S = 2.0
"""From the order to its device, seconds."""

AFTER_WINDOW_S = 2.0
"""How long after the end of a window a device may leave the order, seconds."""

CLOCK_US = S
"""How far a window may be off: the delay of a Welcome, and the time to write a line."""

ENDED = frozenset({"completed", "rejected", "failed", "superseded", "cancelled", "expired"})
"""States in which a dispatch has ended."""

WELL_ENDED = frozenset({"completed", "cancelled"})
"""States in which an order ends that nothing disturbed."""


def judge_dispatch(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks for each order's first arrival at its device, if the path was clear meanwhile."""
    book = CaseBook(Promise.DISPATCH, times.under, DISPATCH_S)
    for order in evidence.orders:
        agent_id = evidence.agent_of[order.asset_id]
        due_us = order.asked_us + round(DISPATCH_S * S)
        if due_us > evidence.closed_us or not times.clear(agent_id, order.asked_us, due_us):
            continue
        told_us = next((note.at_us for note in told(evidence, order)), None)
        name = evidence.assets[order.asset_id].name
        if told_us is not None:
            took_s = (told_us - order.asked_us) / S
            what = f"{name} was told its order after {took_s:.2f} s"
            book.timed(took_s, order.asked_us, what, agent=agent_id)
            continue
        what = f"{name} was never told its order of {order.mw:g} MW"
        if order.refused is not None:
            what = f"the order to {name} was refused: {order.refused}"
        book.broken(order.asked_us, what, agent=agent_id)
    return book.judgement()


def judge_orders(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks at what the headend says of each acknowledged order, after the drill."""
    book = CaseBook(Promise.ORDERS, times.under)
    for order in evidence.orders:
        if order.answered_us is None:
            continue
        fault = _wrong_with(evidence, times, order)
        if fault is None:
            book.kept()
        else:
            name = evidence.assets[order.asset_id].name
            what = f"the order of {order.mw:g} MW to {name} {fault}"
            book.broken(order.asked_us, what, agent=evidence.agent_of[order.asset_id])
    return book.judgement()


def _wrong_with(evidence: Evidence, times: FaultTimes, order: PlacedOrder) -> str | None:
    if len(set(order.ids)) > 1:
        return f"was taken {len(set(order.ids))} times, with one key"
    if order.state is None:
        return "is lost"
    if order.state not in ENDED:
        return f"is still {order.state}"
    if order.state == "completed" and not any(told(evidence, order)):
        return "is completed, and its device was never told"
    agent_id = evidence.agent_of[order.asset_id]
    end_us = evidence.closed_us if order.end_us is None else order.end_us
    disturbed = times.touched(agent_id, order.asked_us, end_us + 2 * S) or times.late(
        order.asked_us, end_us
    )
    if order.state not in WELL_ENDED and not disturbed:
        return f"is {order.state}, and nothing was in its way"
    return None


def judge_once(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks for a device that is told the same order twice in a row, by one process."""
    book = CaseBook(Promise.ONCE, times.under)
    for order in evidence.orders:
        commands = evidence.commands(order.asset_id)
        twice = [
            after.at_us
            for before, after in pairwise(commands)
            if before.did == after.did == "told" and before.mw == after.mw == order.mw
        ]
        name = evidence.assets[order.asset_id].name
        for at_us in twice:
            what = f"{name} was told {order.mw:g} MW again"
            book.broken(at_us, what, agent=evidence.agent_of[order.asset_id])
        if not twice and any(told(evidence, order)):
            book.kept()
    return book.judgement()


def judge_windows(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks for orders that reach a device too late, or that it follows for too long."""
    book = CaseBook(Promise.WINDOWS, times.under)
    for order in evidence.orders:
        if order.end_us is None or not any(told(evidence, order)):
            continue
        name, agent_id = evidence.assets[order.asset_id].name, evidence.agent_of[order.asset_id]
        for from_us, to_us in followed(evidence, order):
            if from_us > order.end_us + CLOCK_US:
                late_s = (from_us - order.end_us) / S
                what = f"{name} was told its order {late_s:.1f} s after its window"
                book.broken(from_us, what, agent=agent_id)
                continue
            last_us = _must_leave_us(evidence, times, order)
            left_us = min(to_us, evidence.closed_us)
            if left_us <= order.end_us:
                book.kept()
            elif left_us <= order.end_us + round(AFTER_WINDOW_S * S) + CLOCK_US:
                book.timed((left_us - order.end_us) / S, left_us, agent=agent_id)
            elif left_us <= last_us or times.late(order.end_us, left_us):
                # A process that was struck could not tell its device.
                book.kept()
            else:
                over_s = (left_us - order.end_us) / S
                what = f"{name} followed its order {over_s:.1f} s beyond its window"
                book.broken(left_us, what, agent=agent_id)
    return book.judgement()


def _must_leave_us(evidence: Evidence, times: FaultTimes, order: PlacedOrder) -> int:
    """When the device must have left the order: later if its agent's process was struck."""
    assert order.end_us is not None
    last_us = order.end_us + round(AFTER_WINDOW_S * S) + CLOCK_US
    agent_id = evidence.agent_of[order.asset_id]
    for fault in times.on_path(agent_id):
        struck = strikes_process_of(fault, agent_id) and fault.from_us <= last_us
        if struck and times.last_us(fault) > order.end_us:
            last_us = max(last_us, times.last_us(fault))
    return last_us


def told(evidence: Evidence, order: PlacedOrder) -> Iterator[DeviceNote]:
    """The lines of the device's record that say that it was told the order."""
    for note in evidence.commands(order.asset_id):
        if note.did == "told" and note.mw == order.mw:
            yield note


def followed(evidence: Evidence, order: PlacedOrder) -> Iterator[tuple[int, int]]:
    """The times from a command with the order to the next other command or process.

    Without a next one, the time ends when the observers stopped.
    """
    since_us: int | None = None
    for note in evidence.commands(order.asset_id):
        follows = note.did == "told" and note.mw == order.mw
        if follows and since_us is None:
            since_us = note.at_us
        elif not follows and since_us is not None:
            yield since_us, note.at_us
            since_us = None
    if since_us is not None:
        yield since_us, evidence.closed_us
