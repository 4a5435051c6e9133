"""Whether an agent is who it says it is, by its certificate or its token: pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from grpclib import Status

from derhead.access import ANY_AGENT, AccessGate, Principal, Right, Unauthenticated
from derhead.sessions.admission.certificate import check_certificate
from derhead.sessions.terms.refusals import StreamRefusal


class Proof(IntEnum):
    """How a stream has shown that it comes from the agent it names. A greater value is stronger."""

    NONE = 0
    ANY_AGENTS_TOKEN = 1
    TOKEN = 2
    """A token of this agent alone."""
    CERTIFICATE = 3

    def __str__(self) -> str:
        return _PROOFS[self]


_PROOFS = {
    Proof.NONE: "nothing",
    Proof.ANY_AGENTS_TOKEN: "token for any agent",
    Proof.TOKEN: "token of its own",
    Proof.CERTIFICATE: "certificate",
}
_SPELLED = {spelled: proof for proof, spelled in _PROOFS.items()}

PROVEN_REMEMBERED = 20_000
"""Agents of each proof that are remembered. When full, the one of that proof that registered
longest ago is forgotten: any stream that the headend admits may then use its id."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a stream shows of itself."""

    agent_id: str
    """As its Register says."""
    certificate: Mapping[str, object] | None
    """As ``ssl.SSLSocket.getpeercert`` returns it; None or empty = no verified one."""
    authorization: bytes | None
    """The metadata ``authorization``; None = there is none."""
    peer: str | None = None
    """The address of the stream, which is slowed if wrong tokens come from it."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why a stream is not taken for the agent that it names."""

    refusal: StreamRefusal
    detail: str
    status: Status = Status.PERMISSION_DENIED
    """UNAUTHENTICATED = the stream has shown no good credentials; PERMISSION_DENIED = good ones,
    but of another agent or for another role; RESOURCE_EXHAUSTED = its address is slowed."""


class AgentIdentities:
    """Judges the credentials of streams, and refuses a proven id to a stream with a weaker proof.

    ``best`` is the strongest proof that the headend can check; a stronger one from before counts as
    this one.
    """

    def __init__(
        self,
        gate: AccessGate | None = None,
        *,
        needs_proof: bool = False,
        best: Proof = Proof.CERTIFICATE,
    ) -> None:
        self._gate = AccessGate() if gate is None else gate
        self._needs_proof = needs_proof
        self._best = best
        # By proof, so that a weaker proof pushes out no stronger one; the newest is last.
        self._proven: dict[Proof, dict[str, None]] = {proof: {} for proof in Proof if proof}

    def judge(self, shown: Shown, now_us: int, now_s: float) -> Proof | Unproven:
        """The proof that the stream has given, or why it is refused. Counts refused tokens.

        Units: ``now_us`` is microseconds since the epoch, ``now_s`` seconds on the loop's clock.
        """
        proof = self._prove(shown, now_us)
        if isinstance(proof, Unauthenticated):
            return self._refuse(proof, shown, now_s)
        if isinstance(proof, Unproven):
            return proof
        before = self._proof_of(shown.agent_id)
        if proof < before:
            detail = (
                f"register.agent_id: {shown.agent_id} has shown a {before} before; connect with"
                " one, or give the agent another id"
            )
            status = Status.PERMISSION_DENIED if proof else Status.UNAUTHENTICATED
            return Unproven(StreamRefusal.IDENTITY, detail, status)
        return proof

    def note(self, agent_id: str, proof: Proof) -> None:
        """Remembers the proof of an agent that was admitted."""
        for proven in self._proven.values():
            proven.pop(agent_id, None)
        if proof is Proof.NONE:
            return
        proven = self._proven[proof]
        proven[agent_id] = None
        if len(proven) > PROVEN_REMEMBERED:
            del proven[next(iter(proven))]

    def restore(self, shown: Iterable[tuple[str, str | None]]) -> None:
        """Remembers what each agent showed last, as ``str`` spells a proof; the newest comes last.

        A proof that this software does not know counts as none.
        """
        for agent_id, spelled in shown:
            proof = Proof.NONE if spelled is None else _SPELLED.get(spelled, Proof.NONE)
            self.note(agent_id, min(proof, self._best))

    def _proof_of(self, agent_id: str) -> Proof:
        return max(
            (p for p, proven in self._proven.items() if agent_id in proven), default=Proof.NONE
        )

    def still_good(self, shown: Shown, now_us: int) -> bool:
        """Whether the stream's token is still good."""
        return isinstance(self._check_token(shown, now_us), Proof)

    def _refuse(self, found: Unauthenticated, shown: Shown, now_s: float) -> Unproven:
        wait_s = self._gate.failures.refuse(found.reason, shown.peer, now_s)
        if wait_s:
            detail = (
                "authorization: wrong tokens came from this address too often; correct the token"
                f" and wait {math.ceil(wait_s)} s"
            )
            return Unproven(StreamRefusal.SLOWED, detail, Status.RESOURCE_EXHAUSTED)
        advice = "" if shown.authorization else "; or connect with a certificate"
        detail = f"authorization: {found.detail}{advice}"
        return Unproven(StreamRefusal.TOKEN, detail, Status.UNAUTHENTICATED)

    def _prove(self, shown: Shown, now_us: int) -> Proof | Unproven | Unauthenticated:
        if shown.certificate:
            unfit = check_certificate(shown.certificate, shown.agent_id)
            if unfit is not None:
                return Unproven(StreamRefusal.CERTIFICATE, unfit)
            return Proof.CERTIFICATE
        if self._gate.is_open or (shown.authorization is None and not self._needs_proof):
            return Proof.NONE
        return self._check_token(shown, now_us)

    def _check_token(self, shown: Shown, now_us: int) -> Proof | Unproven | Unauthenticated:
        caller = self._gate.recognise(shown.authorization, now_us)
        match caller:
            case Unauthenticated():
                return caller
            case Principal():
                if not caller.may(Right.CONNECT):
                    detail = f"authorization: {caller.name} is {caller.role}, and agents need a"
                    return Unproven(StreamRefusal.TOKEN, f"{detail} token of the role agent")
                if caller.agent not in (shown.agent_id, ANY_AGENT):
                    detail = f"register.agent_id: {shown.agent_id} is not {caller.agent}, for whom"
                    return Unproven(StreamRefusal.TOKEN, f"{detail} the token is")
                return Proof.TOKEN if caller.agent != ANY_AGENT else Proof.ANY_AGENTS_TOKEN
