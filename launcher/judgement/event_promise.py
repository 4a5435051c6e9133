"""Events of orders: each once, in order, and none missed: pure."""

from itertools import pairwise

from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import Evidence
from launcher.judgement.fault_times import FaultTimes
from launcher.judgement.order_promises import ENDED


def judge_events(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks at the ids that a reader got, and at the last state that it saw of each order."""
    book = CaseBook(Promise.EVENTS, times.under)
    for before, after in pairwise(evidence.events):
        if after.id <= before.id:
            book.broken(after.at_us, f"event {after.id} came after event {before.id}")
    if evidence.events_missed:
        what = f"a reader of events was told {evidence.events_missed} times that it missed some"
        book.broken(evidence.closed_us, what)
    last = {event.dispatch_id: event.state for event in evidence.events}
    for order in evidence.orders:
        if order.dispatch_id is None or order.state not in ENDED:
            continue
        seen = last.get(order.dispatch_id)
        if seen == order.state:
            book.kept()
        else:
            name = evidence.assets[order.asset_id].name
            what = f"no event said that the order to {name} is {order.state}"
            book.broken(order.asked_us, what, agent=evidence.agent_of[order.asset_id])
    return book.judgement()
