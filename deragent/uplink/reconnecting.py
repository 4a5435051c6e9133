"""Keeps the link to the headend up: one session after another."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio

from deragent.event_lines import EventKind
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from deragent.uplink.backoff import Backoff
from deragent.uplink.uplink_session import NoWelcome, UplinkOutcome, UplinkSession
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.stdio.command import leaves
from derproto.stdio.log_events import event_log
from derproto.triogrpc import GRPCError, LinkLimits, StreamTerminatedError, connect

log = event_log(__name__)

DIAL_TIMEOUT_S = 10.0
"""Time for a connection, TLS included."""

LINK_ERRORS = (
    NoWelcome,
    OSError,
    GRPCError,
    StreamTerminatedError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)
"""Errors of a link that is down or breaks. Anything else is a bug of the agent."""


@dataclass(frozen=True, slots=True)
class HeadendEndpoint:
    """How to reach the headend."""

    dial: Callable[[], Awaitable[trio.abc.Stream]]
    """Opens a byte stream to the headend."""
    authority: str
    """The headend's name, as HTTP/2's ``:authority``."""
    scheme: str = "http"
    """``https`` over TLS."""
    limits: LinkLimits = field(default_factory=LinkLimits)
    read_token: Callable[[], Awaitable[str | None]] | None = None
    """Reads the token to show, at each connection; None = there is none. Raises: OSError."""


async def keep_uplink(
    headend: HeadendEndpoint,
    board: AgentBoard,
    controllers: Sequence[Controller],
    rng: random.Random,
    stopping: trio.Event,
) -> None:
    """Holds one session after another until ``stopping`` is set, then ends the last one cleanly.

    This is the border of the link: an exception in a session ends only that session. If it is
    not an error of the link, a log line shows its traceback. Raises: nothing but Cancelled.
    Cancellation: cuts the session.
    """
    backoff = Backoff()
    while not stopping.is_set():
        board.counts.attempts += 1
        board.emit(EventKind.CONNECTING, attempt=backoff.failures + 1)
        outcome = UplinkOutcome()
        failures: list[BaseException] = []
        try:
            await _hold_session(headend, board, controllers, stopping, outcome)
        except* Exception as group:  # noqa: BLE001 - the link's border, see the docstring
            failures.extend(leaves(group))
        board.up = False
        reason = _explain(outcome, failures)
        lived_s = 0.0
        if outcome.welcomed_s is not None:
            lived_s = trio.current_time() - outcome.welcomed_s
        backoff, wait_s = backoff.after(
            now_s=trio.current_time(),
            draw=rng.random(),
            lived_s=lived_s,
            reconnect_after_s=outcome.reconnect_after_s,
            has_turn=outcome.has_turn,
        )
        board.emit(
            EventKind.DISCONNECTED,
            reason=reason,
            lived_s=round(lived_s, 3),
            retry_in_s=None if stopping.is_set() else round(wait_s, 3),
        )
        with trio.move_on_after(wait_s):
            await stopping.wait()


async def _hold_session(
    headend: HeadendEndpoint,
    board: AgentBoard,
    controllers: Sequence[Controller],
    stopping: trio.Event,
    outcome: UplinkOutcome,
) -> None:
    with trio.fail_after(DIAL_TIMEOUT_S):
        transport = await headend.dial()
    async with connect(
        transport,
        authority=headend.authority,
        scheme=headend.scheme,
        codec=MessageCodec(),
        limits=headend.limits,
    ) as channel:
        token = None if headend.read_token is None else await headend.read_token()
        metadata = None if token is None else {"authorization": f"Bearer {token}"}
        async with channel.request(SESSION, metadata=metadata) as stream:
            await UplinkSession(stream, board, controllers, stopping, outcome).run()


def _explain(outcome: UplinkOutcome, failures: Sequence[BaseException]) -> str:
    """Why a session ended, in words. Logs a bug of the agent."""
    for failure in failures:
        if not isinstance(failure, LINK_ERRORS):
            log.error("session failed with a bug of the agent", exc_info=failure)
    if outcome.reason is not None:
        return outcome.reason
    if not failures:
        return "ended"
    first = failures[0]
    if isinstance(first, trio.TooSlowError):
        return f"no connection within {DIAL_TIMEOUT_S:g} s"
    if isinstance(first, GRPCError):
        return f"{first.status.name}: {first.message or ''}".rstrip(": ")
    return str(first) or type(first).__name__
