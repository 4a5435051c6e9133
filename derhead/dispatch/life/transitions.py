"""The states of a dispatch, and every way from one to another: a table. Pure.

``TRANSITIONS`` is the whole state machine; ``lifecycle.step`` makes no move that is not a row
of it, and ``docs/dispatch.md`` is drawn from it.

Where it comes from: IEEE 2030.5-2018 table 27, whose response types the states name that an
agent reports; ``pending`` and ``sent`` are the headend's own side of the link. Reasons are the
control status codes of DNP3 (IEEE 1815), as far as it has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from derproto.der.v1 import DispatchReason


class State(StrEnum):
    """How far a dispatch has come."""

    PENDING = "pending"
    """The headend has it on disk. Its agent is not connected, or a better dispatch goes first."""
    SENT = "sent"
    """It is on its way to the agent, which has reported nothing yet."""
    RECEIVED = "received"
    """The agent holds it."""
    STARTED = "started"
    """The device took the setpoint."""
    COMPLETED = "completed"
    """Its window ended."""
    REJECTED = "rejected"
    """The agent or the device refused it."""
    FAILED = "failed"
    """The device could not follow it, or nobody can tell what the device did."""
    SUPERSEDED = "superseded"
    """It gave way to another dispatch of its asset."""
    CANCELLED = "cancelled"
    """It was withdrawn."""
    EXPIRED = "expired"
    """Its window or its time to wait ended before it reached the device."""


ENDED = frozenset(
    {
        State.COMPLETED,
        State.REJECTED,
        State.FAILED,
        State.SUPERSEDED,
        State.CANCELLED,
        State.EXPIRED,
    }
)
"""States that nothing follows."""

OPEN = tuple(state for state in State if state not in ENDED)
"""The others, in the order in which a dispatch passes through them."""

AT_AGENT = frozenset({State.RECEIVED, State.STARTED})
"""States in which the agent holds it, by its own word."""

RESPONSES = {
    State.RECEIVED: "1",
    State.STARTED: "2",
    State.COMPLETED: "3",
    State.CANCELLED: "6",
    State.SUPERSEDED: "7",
    State.REJECTED: "252, 253",
    State.EXPIRED: "254",
}
"""IEEE 2030.5-2018 table 27: the response type that says the same. ``failed`` has none there."""

NO_REPORT = "NO_REPORT"
"""The one reason of the headend's own: the agent never reported an end, and no longer can."""

STATUS_CODES = {
    DispatchReason.NOT_SUPPORTED: "4",
    DispatchReason.HARDWARE_ERROR: "6",
    DispatchReason.LOCAL: "7",
    DispatchReason.TOO_MANY_OPS: "8",
    DispatchReason.NOT_AUTHORIZED: "9",
    DispatchReason.OUT_OF_RANGE: "12",
    DispatchReason.BLOCKED: "15",
}
"""DNP3's control status code of the same name, for each reason that has one."""

REASONS: dict[str, str | None] = {
    **{reason.name: STATUS_CODES.get(reason) for reason in DispatchReason if reason.value},
    NO_REPORT: None,
}
"""Why a dispatch was rejected or failed, with DNP3's control status code if there is one."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in ``before``, ``event`` leads to ``after``."""

    before: State
    event: str
    """The name of a class of ``lifecycle``."""
    after: State
    when: str
    """What has to be so, in words."""
    source: str
    """The standard that it is taken from, or whose rule it is."""


_HEADEND = "headend's side of the link"
_RULE = "headend's rule"


def _ours() -> Iterator[Transition]:
    """What the headend does, or finds out, itself."""
    pending, sent = State.PENDING, State.SENT
    yield Transition(pending, "Sent", sent, "a session has room, and no better one waits", _HEADEND)
    yield Transition(sent, "LinkLost", pending, "the session or the headend ended", _HEADEND)
    yield Transition(sent, "Forgotten", pending, "it never reached its agent", _HEADEND)
    for before in (pending, sent):
        yield Transition(
            before, "Forgotten", State.CANCELLED, "it was to be withdrawn", "IEEE 2030.5 response 6"
        )
        yield Transition(
            before, "Forgotten", State.EXPIRED, "its time is over", "IEEE 2030.5 response 254"
        )
    for before in sorted(AT_AGENT):
        yield Transition(
            before, "Forgotten", State.FAILED, "its agent lost its memory: NO_REPORT", _RULE
        )
    yield Transition(
        pending,
        "CancelWanted",
        State.CANCELLED,
        "its agent certainly does not hold it",
        "IEEE 2030.5 response 6",
    )
    yield Transition(
        pending,
        "Superseded",
        State.SUPERSEDED,
        "its agent holds a better one of an overlapping window",
        "IEEE 2030.5 response 7",
    )
    yield Transition(
        pending,
        "DeadlinePassed",
        State.EXPIRED,
        "its agent certainly does not hold it",
        "IEEE 2030.5 response 254",
    )
    for before in OPEN:
        yield Transition(
            before, "DeadlinePassed", State.FAILED, "no report for a day: NO_REPORT", _RULE
        )


def _reported() -> Iterator[Transition]:
    """What an agent says.

    It may speak of a dispatch that the headend believes pending: it was sent, the stream
    broke, and the report of what became of it comes with the next Register.
    """
    forward = {
        before: [state for state in State if state in ENDED or state in OPEN[place + 1 :]]
        for place, before in enumerate(OPEN)
    }
    # What the device took was neither refused nor too late.
    forward[State.STARTED] = [
        state for state in forward[State.STARTED] if state not in (State.REJECTED, State.EXPIRED)
    ]
    for before, states in forward.items():
        for after in states:
            if after is not State.SENT:
                response = RESPONSES.get(after)
                source = f"IEEE 2030.5 response {response}" if response else "DNP3 status codes"
                yield Transition(before, "Reported", after, "its agent says so", source)


TRANSITIONS = (*_ours(), *_reported())
"""Every move that there is. Those that lead to no other state are not in it."""

_MOVES = frozenset((row.before, row.event, row.after) for row in TRANSITIONS)


def is_transition(before: State, event: str, after: State) -> bool:
    """Whether the table has the row."""
    return (before, event, after) in _MOVES
