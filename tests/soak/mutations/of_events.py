"""Faults of ``/events``: the log, the hub, a reader's place."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from unittest.mock import patch

import trio

from derhead.api.routes import event_routes
from derhead.api.routes.event_query import read_last_id
from derhead.dispatch import Dispatch, Judged
from derhead.events import hub, subscription
from derhead.events.audience import Audience
from derhead.events.hub import EventHub
from derhead.events.logged_events import LoggedEvent
from derhead.events.ring import Ring
from derhead.history.writing import eventlog
from tests.soak.mutations.mutation import EveryNth, Table

mutation = Table()
MUTATIONS = mutation.mutations

NONE_MISSING = "a reader of events misses none"
IN_TIME = "an event is told within 2 s"
ALIVE = "a reader of events hears the headend every 10 s"
FRESH = "events tell telemetry within 11 s while its agent is connected"
EACH_END = "events tell each end"


@mutation("events", "each 40th event is left out of the ring", NONE_MISSING, busy=True)
def event_is_left_out() -> AbstractContextManager[object]:
    extend, is_due = Ring.extend, EveryNth(40)

    def extend_less(ring: Ring, events: Sequence[LoggedEvent]) -> None:
        extend(ring, [event for event in events if not is_due()])

    return patch.object(Ring, "extend", extend_less)


@mutation("events", "two events that come together are told in the wrong order", NONE_MISSING)
def events_are_swapped() -> AbstractContextManager[object]:
    extend = Ring.extend

    def extend_swapped(ring: Ring, events: Sequence[LoggedEvent]) -> None:
        extend(ring, [*events[1:2], *events[:1], *events[2:]])

    return patch.object(Ring, "extend", extend_swapped)


@mutation("events", "no change of each 19th dispatch is logged as an event", EACH_END, busy=True)
def dispatch_is_not_logged() -> AbstractContextManager[object]:
    log, is_due, left_out = eventlog.log, EveryNth(19), dict[str, bool]()

    def is_logged(record: object) -> bool:
        match record:
            case Dispatch(id=dispatch_id) | Judged(dispatch_id):
                if dispatch_id not in left_out:
                    left_out[dispatch_id] = is_due()
                return not left_out[dispatch_id]
            case _:
                return True

    def log_less(
        con: sqlite3.Connection,
        records: Sequence[object],
        before: Mapping[str, bool],
        now_us: int,
    ) -> int | None:
        return log(con, [each for each in records if is_logged(each)], before, now_us)

    return patch.object(eventlog, "log", log_less)


@mutation(
    "events",
    "a reader that leaves is counted twice, and the hub rests too early",
    IN_TIME,
    EACH_END,
    busy=True,
)
def leaving_counts_twice() -> AbstractContextManager[object]:
    leave = EventHub.leave

    def leave_twice(events: EventHub, audience: Audience) -> None:
        leave(events, audience)
        events._readers = max(0, events._readers - 1)
        if not events._readers:
            events._occupied = trio.Event()

    return patch.object(EventHub, "leave", leave_twice)


@mutation("events", "a reader that comes back resumes two events too late", NONE_MISSING, busy=True)
def resuming_skips_events() -> AbstractContextManager[object]:
    read = read_last_id

    def read_later(given: str | None) -> int | None:
        last_id = read(given)
        return None if last_id is None else last_id + 2

    return patch.object(event_routes, "read_last_id", read_later)


@mutation("events", "signs of life come once a minute", ALIVE)
def signs_of_life_are_rare() -> AbstractContextManager[object]:
    return patch.object(subscription, "ALIVE_S", 60.0)


@mutation("events", "the hub looks at telemetry every 15 s", FRESH)
def hub_looks_seldom() -> AbstractContextManager[object]:
    return patch.object(hub, "LOOK_S", 15.0)
