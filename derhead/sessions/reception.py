"""The beginning of a stream: its Register, what the agent shows, and the reports that it brings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio
from grpclib import Status
from grpclib.metadata import _Metadata
from structlog.contextvars import bind_contextvars

from derhead.dispatch import AgentReport
from derhead.sessions.admission.agent_identity import AgentIdentities, Proof, Shown, Unproven
from derhead.sessions.admission.register import MAX_TEXT, Registration, read_register, read_reports
from derhead.sessions.admission.register_turns import RegisterTurns
from derhead.sessions.streams.allowances import AgentAllowances
from derhead.sessions.streams.session_meter import Excess, admit_session
from derhead.sessions.terms.ends import busy
from derhead.sessions.terms.refusals import AgentClaim, RegisterRefused, StreamRefusal
from derhead.sessions.terms.session_limits import SessionLimits
from derproto.der.v1 import AgentMessage
from derproto.stdio.log_events import event_log
from derproto.triogrpc import ServerStream

log = event_log(__name__)

REPORTS_A_TURN = 256
"""Reports of one Register to read before other tasks have their turn: 2 ms."""


TURN_AWAITED_S = 2.0
"""Seconds until an agent's turn for which its stream waits. When over, the agent is sent away and
comes back at its turn, which costs both sides another handshake."""

BUSY_QUIET_S = 60.0
"""Seconds after the line about a rush of agents for which there is no other."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An agent that registered as it should; whether there is a place for it is not decided."""

    registration: Registration
    shown: Shown
    proof: Proof
    reports: Sequence[AgentReport]
    """The readable ones."""


class Reception:
    """Awaits each stream's Register, and judges what it says and shows."""

    def __init__(
        self,
        limits: SessionLimits,
        identities: AgentIdentities,
        allowances: AgentAllowances,
        excess: Excess,
        wall_us: Callable[[], int],
    ) -> None:
        self._limits = limits
        self._identities = identities
        self._allowances = allowances
        self._excess = excess
        self._wall_us = wall_us
        self._turns = RegisterTurns(limits.registers_per_s)
        self._quiet_until = -math.inf

    @property
    def waiting(self) -> int:
        """Agents that wait for their turn to register."""
        return self._turns.waiting(trio.current_time())

    async def receive(self, stream: ServerStream) -> Arrival:
        """Awaits the first message, and reads the reports in it.

        Raises: RegisterRefused; GRPCError if the link cannot decode the message.
        """
        registration, shown, proof = await self._await_register(stream)
        await self._await_turn(claim_of(registration, proof))
        reports = await _read_reports(registration)
        # Once more: meanwhile another stream may have shown more for the same id.
        return Arrival(registration, shown, self._judge(shown, registration), reports)

    async def _await_register(self, stream: ServerStream) -> tuple[Registration, Shown, Proof]:
        with trio.move_on_after(self._limits.register_timeout_s) as waiting:
            first = await stream.recv_message()
        if waiting.cancelled_caught:
            raise RegisterRefused(
                StreamRefusal.NO_REGISTER,
                Status.DEADLINE_EXCEEDED,
                f"no Register within {self._limits.register_timeout_s:g} s",
            )
        if not isinstance(first, AgentMessage) or first.register is None:
            raise _invalid("the first message must be register")
        bind_contextvars(agent=first.register.agent_id[:MAX_TEXT])
        registration = read_register(first.register, self._limits.max_assets)
        if isinstance(registration, str):
            raise _invalid(registration)
        shown = Shown(
            registration.agent_id,
            stream.peer_certificate,
            _authorization(stream.metadata),
            stream.peer,
        )
        proof = self._judge(shown, registration)
        now = trio.current_time()
        allowances = self._allowances.of(registration.agent_id, now)
        if not admit_session(registration.agent_id, allowances, self._excess, now):
            raise RegisterRefused(
                StreamRefusal.TOO_OFTEN,
                Status.RESOURCE_EXHAUSTED,
                "register: too many sessions of this agent; wait 10 s",
                claim_of(registration, proof),
            )
        return registration, shown, proof

    async def _await_turn(self, claim: AgentClaim) -> None:
        """Waits for a turn that is near. Raises: RegisterRefused, if it is not."""
        while True:
            now = trio.current_time()
            turn_s = self._turns.turn_s(claim.agent_id, now)
            if turn_s <= now:
                return
            if turn_s > now + TURN_AWAITED_S:
                if now >= self._quiet_until:
                    self._quiet_until = now + BUSY_QUIET_S
                    log.warning(
                        "many agents register at once: they get turns",
                        waiting=self._turns.waiting(now),
                        registers_per_s=self._limits.registers_per_s,
                    )
                end = busy(turn_s - now)
                raise RegisterRefused(StreamRefusal.BUSY, end.status, end.detail, claim, end)
            await trio.sleep_until(turn_s)

    def _judge(self, shown: Shown, registration: Registration) -> Proof:
        """How the stream shows who it is. Raises: RegisterRefused."""
        proof = self._identities.judge(shown, self._wall_us(), trio.current_time())
        if isinstance(proof, Unproven):
            claim = claim_of(registration, Proof.NONE)
            raise RegisterRefused(proof.refusal, proof.status, proof.detail, claim)
        return proof


def claim_of(registration: Registration, proof: Proof) -> AgentClaim:
    """Who a stream says it is, and whether it has shown that."""
    return AgentClaim(registration.agent_id, registration.site_id, proof is not Proof.NONE)


async def _read_reports(registration: Registration) -> list[AgentReport]:
    """The readable reports of a Register. One log line counts the others."""
    reports, readable, faults = registration.reports, list[AgentReport](), list[str]()
    for start in range(0, len(reports), REPORTS_A_TURN):
        piece = reports[start : start + REPORTS_A_TURN]
        more_readable, more_faults = read_reports(piece, registration.asset_ids)
        readable += more_readable
        faults += more_faults
        await trio.lowlevel.checkpoint()
    if faults:
        log.warning(
            "some reports of register cannot be read",
            unreadable=len(faults),
            reports=len(reports),
            first=faults[0],
        )
    return readable


def _authorization(metadata: _Metadata) -> bytes | None:
    """The metadata that holds a token, as it was sent."""
    sent = [str(value) for value in metadata.getall("authorization", ())]
    return ", ".join(sent).encode("latin-1", "replace") if sent else None


def _invalid(detail: str) -> RegisterRefused:
    return RegisterRefused(StreamRefusal.INVALID_REGISTER, Status.INVALID_ARGUMENT, detail)
