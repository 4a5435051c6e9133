"""The states of a dispatch, and the table of all transitions between them. Pure.

``TRANSITIONS`` is the whole state machine. ``lifecycle.step`` makes only the moves in its rows, and
``scripts/docs`` draws the tables of ``docs/dispatch.md`` from it.

The states that an agent reports are named after the response types of IEEE 2030.5-2018, table 27.
``pending`` and ``sent`` are the headend's side of the link. Reasons are the control status codes
of DNP3 (IEEE 1815) where DNP3 has one.
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
    """The device could not follow it, or it is not known what the device did."""
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
"""The final states."""

OPEN = tuple(state for state in State if state not in ENDED)
"""The states that are not final, in the order in which a dispatch passes through them."""

AT_AGENT = frozenset({State.RECEIVED, State.STARTED})
"""The states in which the agent has reported that it holds the dispatch."""

RESPONSES = {
    State.RECEIVED: "1",
    State.STARTED: "2",
    State.COMPLETED: "3",
    State.CANCELLED: "6",
    State.SUPERSEDED: "7",
    State.REJECTED: "252, 253",
    State.EXPIRED: "254",
}
"""The equivalent response type of IEEE 2030.5-2018, table 27. ``failed`` has none."""

NO_REPORT = "NO_REPORT"
"""The headend's only own reason: the agent never reported an end, and no longer can."""

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
    """One row of the table: in ``before``, ``event`` leads to ``after``."""

    before: State
    event: str
    """The name of a class of ``lifecycle``."""
    after: State
    when: str
    """The condition, in words."""
    source: str
    """The standard or the rule that it comes from."""


_HEADEND = "headend's side of the link"
_RULE = "headend's rule"


def _ours() -> Iterator[Transition]:
    """The transitions that the headend decides."""
    pending, sent = State.PENDING, State.SENT
    yield Transition(pending, "Sent", sent, "a session has room, and no better one waits", _HEADEND)
    yield Transition(sent, "LinkLost", pending, "the session or the headend ended", _HEADEND)
    yield Transition(sent, "Forgotten", pending, "it never reached the agent", _HEADEND)
    for before in (pending, sent):
        yield Transition(
            before, "Forgotten", State.CANCELLED, "it was being withdrawn", "IEEE 2030.5 response 6"
        )
        yield Transition(
            before, "Forgotten", State.EXPIRED, "its time is over", "IEEE 2030.5 response 254"
        )
    for before in sorted(AT_AGENT):
        yield Transition(before, "Forgotten", State.FAILED, "the agent lost it: NO_REPORT", _RULE)
    yield Transition(
        pending,
        "CancelWanted",
        State.CANCELLED,
        "certainly no agent holds it",
        "IEEE 2030.5 response 6",
    )
    yield Transition(
        pending,
        "Superseded",
        State.SUPERSEDED,
        "the agent holds a better one whose window overlaps",
        "IEEE 2030.5 response 7",
    )
    yield Transition(
        pending,
        "DeadlinePassed",
        State.EXPIRED,
        "certainly no agent holds it",
        "IEEE 2030.5 response 254",
    )
    for before in OPEN:
        yield Transition(
            before,
            "AssetRemoved",
            State.CANCELLED,
            "its asset is no longer in assets.yaml",
            _RULE,
        )
    for before in OPEN:
        yield Transition(
            before, "DeadlinePassed", State.FAILED, "no report for a day: NO_REPORT", _RULE
        )


def _reported() -> Iterator[Transition]:
    """The transitions that an agent reports.

    An agent may report on a dispatch that is pending: it was sent, the stream broke, and the
    report comes with the next Register.
    """
    forward = {
        before: [state for state in State if state in ENDED or state in OPEN[place + 1 :]]
        for place, before in enumerate(OPEN)
    }
    # A dispatch that the device took was neither refused nor too late.
    forward[State.STARTED] = [
        state for state in forward[State.STARTED] if state not in (State.REJECTED, State.EXPIRED)
    ]
    for before, states in forward.items():
        for after in states:
            if after is not State.SENT:
                response = RESPONSES.get(after)
                source = f"IEEE 2030.5 response {response}" if response else "DNP3 status codes"
                yield Transition(before, "Reported", after, "the agent reports it", source)


TRANSITIONS = (*_ours(), *_reported())
"""All transitions to another state."""

_MOVES = frozenset((row.before, row.event, row.after) for row in TRANSITIONS)


def is_transition(before: State, event: str, after: State) -> bool:
    """Whether the table has the row."""
    return (before, event, after) in _MOVES
