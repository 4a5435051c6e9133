"""Faults of the dispatch desk and of orders: what it remembers, tells and refuses."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

from derhead.dispatch import Dispatch, State
from derhead.dispatch.desk import intake, settling
from derhead.dispatch.desk.draft import Draft
from derhead.dispatch.desk.inputs import AgentReport, DeskInput, FleetChanged
from derhead.dispatch.life import lifecycle
from derhead.dispatch.orders.keys import KeyKeeper
from derhead.headend import Headend
from derhead.history.journal.embedded import Journal
from derproto.configuration.fleet import Fleet
from derproto.configuration.fleet_changes import FleetChanges
from tests.soak.mutations.mutation import EveryNth, Table
from tests.soak.plan import Act, Kind

mutation = Table()
MUTATIONS = mutation.mutations

NONE_LOST = "no acknowledged order is lost, and each ends"
SAYS = "a dispatch says what the device did"
STRONGER = "a dispatch gives way to the stronger"
REPORTED = "a report is at the headend within 2 s while its agent is connected"
WITHDRAWN = "a withdrawn dispatch leaves its device within 2 s while its agent is connected"
TAKEN_ONCE = "an order that is repeated with its key is taken once"
REMOVED = "a removed asset's dispatches end at once"


@mutation(
    "desk",
    "pending dispatches are forgotten at the headend's start",
    NONE_LOST,
    acts=(
        Act(599.0, Kind.CUT, 1),
        Act(600.0, Kind.REFUSE, 1, 900.0),
        Act(700.0, Kind.ORDER, 5, 300.0, 0.3),
        Act(800.0, Kind.KILL_HEADEND, 0, 10.0),
    ),
)
def pending_is_forgotten_at_start() -> AbstractContextManager[object]:
    load = Journal.open_dispatches

    async def load_fewer(journal: Journal) -> Sequence[Dispatch]:
        return [each for each in await load(journal) if each.state is not State.PENDING]

    return patch.object(Journal, "open_dispatches", load_fewer)


@mutation(
    "desk",
    "dispatches stay sent when the stream of their session is gone",
    unseen="the agent's next Register says what arrived; `tests/unit/dispatch` sees it",
)
def sent_stays_sent() -> AbstractContextManager[object]:
    return patch.object(intake, "_take_ended", lambda _draft, _session_id: None)


@mutation(
    "desk", "an agent's Register is not compared with the open dispatches", NONE_LOST, busy=True
)
def register_is_not_compared() -> AbstractContextManager[object]:
    step = lifecycle.step

    def step_or_not(dispatch: Dispatch, event: lifecycle.Event, now_us: int) -> Dispatch:
        return dispatch if isinstance(event, lifecycle.Forgotten) else step(dispatch, event, now_us)

    return patch("derhead.dispatch.desk.draft.step", step_or_not)


@mutation("desk", "each 3rd withdrawal is not told to the agent", WITHDRAWN, busy=True)
def withdrawal_is_not_told() -> AbstractContextManager[object]:
    send, is_due = settling._send_cancel, EveryNth(3)

    def send_or_not(draft: Draft, *rest: object) -> None:
        if not is_due():
            send(draft, *rest)  # type: ignore[arg-type]

    return patch.object(settling, "_send_cancel", send_or_not)


@mutation(
    "desk",
    "of two pending dispatches that overlap, the weaker one is sent",
    STRONGER,
    SAYS,
    busy=True,
)
def weaker_is_sent() -> AbstractContextManager[object]:
    return patch.object(
        settling, "rank", lambda dispatch: (-dispatch.priority, dispatch.created_us)
    )


@mutation(
    "desk",
    "an order is answered, and one commit in 60 is not made",
    NONE_LOST,
    TAKEN_ONCE,
    busy=True,
)
def order_is_not_journaled() -> AbstractContextManager[object]:
    write, is_due = Journal.write, EveryNth(60)

    async def write_or_not(journal: Journal, *records: object) -> None:
        if not is_due():
            await write(journal, *records)  # type: ignore[arg-type]

    return patch.object(Journal, "write", write_or_not)


@mutation("desk", "each 30th report of an agent is dropped", REPORTED, SAYS, NONE_LOST, busy=True)
def report_is_dropped() -> AbstractContextManager[object]:
    take, is_due = intake._take_report, EveryNth(30)

    def take_or_not(draft: Draft, report: AgentReport) -> None:
        if not is_due():
            take(draft, report)

    return patch.object(intake, "_take_report", take_or_not)


@mutation(
    "desk",
    "a dispatch of a lost session counts as never sent",
    "a dispatch leaves when it ends",
    acts=(
        # The setpoint arrives, and its report does not.
        Act(600.0, Kind.DELAY, 1, 300.0, 1.4),
        Act(610.0, Kind.ORDER, 5, 900.0, 0.3),
        Act(612.1, Kind.REFUSE, 1, 100.0),
        Act(612.2, Kind.CUT, 1),
        Act(650.0, Kind.WITHDRAW, 0),
    ),
)
def lost_session_counts_as_never_sent() -> AbstractContextManager[object]:
    step = lifecycle.step

    def step_and_forget(dispatch: Dispatch, event: lifecycle.Event, now_us: int) -> Dispatch:
        after = step(dispatch, event, now_us)
        return replace(after, session_id=None) if isinstance(event, lifecycle.LinkLost) else after

    return patch("derhead.dispatch.desk.draft.step", step_and_forget)


@mutation(
    "desk", "the dispatches of an asset that leaves the fleet go on", REMOVED, hours=8, busy=True
)
def removed_asset_keeps_its_dispatches() -> AbstractContextManager[object]:
    take = intake.take

    def take_or_not(draft: Draft, item: DeskInput) -> Iterator[None]:
        if not isinstance(item, FleetChanged):
            yield from take(draft, item)

    return patch("derhead.dispatch.desk.planning.take", take_or_not)


@mutation(
    "orders",
    "limits are those of the start",
    "what assets.yaml does not allow is refused",
    acts=(
        Act(600.0, Kind.LIMITS_CHANGED, 0, 900.0),
        Act(700.0, Kind.ORDER, 0, 60.0, 0.95),
        Act(800.0, Kind.ORDER, 0, 60.0, 0.05),
    ),
)
def limits_are_those_of_the_start() -> AbstractContextManager[object]:
    renew = Headend.renew_fleet

    async def renew_members_only(headend: Headend, new: Fleet, changes: FleetChanges) -> None:
        if changes.added or changes.removed:
            await renew(headend, new, changes)

    return patch.object(Headend, "renew_fleet", renew_members_only)


@mutation(
    "orders",
    "an idempotency key is forgotten at once",
    TAKEN_ONCE,
)
def key_is_forgotten() -> AbstractContextManager[object]:
    async def find(_keeper: KeyKeeper, _key: str) -> None:
        return None

    return patch.object(KeyKeeper, "find", find)
