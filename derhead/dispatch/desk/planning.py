"""Plans the outcome of a batch of inputs: changes to the journal, then effects. Pure.

First every input changes the dispatches that it concerns (``intake.py``). Then each touched asset
is settled: its agent is sent what is due (``settling.py``). A plan changes nothing in the book that
it is made from. If the journal refuses the changes, the plan is dropped and made again later.
"""

from collections.abc import Iterable, Iterator, Sequence

from derhead.dispatch.desk.book import Book
from derhead.dispatch.desk.draft import Draft, Plan
from derhead.dispatch.desk.inputs import CancelRequested, DeskInput, OrderRequested
from derhead.dispatch.desk.intake import take
from derhead.dispatch.desk.settling import settle


def make_plan(book: Book, items: Sequence[DeskInput], now_us: int) -> Plan:
    """The plan for the inputs, taken in their order.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    """
    draft = Draft(book, now_us)
    for _ in plan_in_steps(draft, items):
        pass
    return draft.plan


def plan_in_steps(draft: Draft, items: Sequence[DeskInput]) -> Iterator[None]:
    """Makes the draft's plan, as ``make_plan`` does.

    Yields after each small step: an order, an asset, a report. Until the last step, the book must
    not change but for the times of sending.
    """
    for item in items:
        yield from take(draft, item)
    yield from settle(draft)
    _answer(draft, items)


def _answer(draft: Draft, items: Iterable[DeskInput]) -> None:
    """Gives every caller that is not refused its dispatches, as they are now."""
    for item in items:
        if isinstance(item, OrderRequested | CancelRequested) and item not in draft.plan.answers:
            ids = (
                [item.dispatch_id]
                if isinstance(item, CancelRequested)
                else [dispatch_id for dispatch_id, _ in item.orders]
            )
            planned = draft.changes.dispatches
            draft.plan.answers[item] = tuple(
                planned.get(each) or draft.book.open[each] for each in ids
            )
