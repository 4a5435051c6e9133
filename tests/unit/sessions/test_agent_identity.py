"""An agent shows who it is, and what was shown once is not given up."""

import pytest
from grpclib import Status

from derhead.sessions import AgentIdentities
from derhead.sessions.admission.agent_identity import PROVEN_REMEMBERED, Proof, Shown, Unproven
from derhead.sessions.terms.refusals import StreamRefusal
from tests.support.access import (
    ADMIN,
    EXPIRED,
    OF_AGENT,
    OF_ANY_AGENT,
    REVOKED,
    STRANGE,
    make_gate,
    make_tokens,
)

NOW = 1_000_000
UNKNOWN, DENIED = Status.UNAUTHENTICATED, Status.PERMISSION_DENIED
CERTIFICATE = {"subjectAltName": (("URI", "urn:der:agent:agent-1"),)}


def shown(
    token: str | None = None, *, certificate: bool = False, agent_id: str = "agent-1"
) -> Shown:
    authorization = None if token is None else f"Bearer {token}".encode()
    return Shown(agent_id, CERTIFICATE if certificate else None, authorization)


def asking() -> AgentIdentities:
    return AgentIdentities(make_gate(NOW), needs_proof=True)


@pytest.mark.parametrize(
    ("token", "proof"), [(OF_AGENT, Proof.TOKEN), (OF_ANY_AGENT, Proof.ANY_AGENTS_TOKEN)]
)
def test_a_token_of_the_agent_admits_it(token: str, proof: Proof) -> None:
    assert asking().judge(shown(token), NOW, 0) is proof


def test_a_certificate_needs_no_token() -> None:
    for token in (None, OF_AGENT, STRANGE):
        assert asking().judge(shown(token, certificate=True), NOW, 0) is Proof.CERTIFICATE


@pytest.mark.parametrize(
    ("token", "agent_id", "status", "why"),
    [
        (None, "agent-1", UNKNOWN, "send Authorization: Bearer TOKEN"),
        (STRANGE, "agent-1", UNKNOWN, "authorization: the token is not known"),
        (EXPIRED, "agent-1", UNKNOWN, "authorization: the token has expired"),
        (REVOKED, "agent-1", UNKNOWN, "authorization: the token is revoked"),
        (
            ADMIN,
            "agent-1",
            Status.PERMISSION_DENIED,
            "authorization: admin is admin, and agents need a token of the",
        ),
        (
            OF_AGENT,
            "agent-2",
            Status.PERMISSION_DENIED,
            "register.agent_id: agent-2 is not agent-1, for whom",
        ),
    ],
)
def test_other_streams_are_told_what_is_wrong(
    token: str | None, agent_id: str, status: Status, why: str
) -> None:
    found = asking().judge(shown(token, agent_id=agent_id), NOW, 0)
    assert isinstance(found, Unproven)
    assert found.refusal is StreamRefusal.TOKEN
    assert found.status is status
    assert why in found.detail


def test_where_no_proof_is_needed_a_wrong_token_is_refused_all_the_same() -> None:
    identities = AgentIdentities(make_gate(NOW))
    assert identities.judge(shown(), NOW, 0) is Proof.NONE
    assert identities.judge(shown(OF_AGENT), NOW, 0) is Proof.TOKEN
    assert isinstance(identities.judge(shown(STRANGE), NOW, 0), Unproven)


def test_without_tokens_the_network_is_trusted() -> None:
    assert AgentIdentities().judge(shown(), NOW, 0) is Proof.NONE
    assert AgentIdentities().judge(shown(STRANGE), NOW, 0) is Proof.NONE


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (shown(certificate=True), shown(OF_AGENT)),
        (shown(certificate=True), shown()),
        (shown(OF_AGENT), shown()),
        (shown(OF_AGENT), shown(OF_ANY_AGENT)),
        (shown(OF_ANY_AGENT), shown()),
    ],
)
def test_an_id_that_was_proven_is_not_left_to_less(first: Shown, second: Shown) -> None:
    identities = AgentIdentities(make_gate(NOW))
    assert not isinstance(identities.judge(second, NOW, 0), Unproven)
    proof = identities.judge(first, NOW, 0)
    assert isinstance(proof, Proof)
    identities.note("agent-1", proof)
    refused = identities.judge(second, NOW, 0)
    assert isinstance(refused, Unproven)
    assert refused.refusal is StreamRefusal.IDENTITY
    assert f"agent-1 has shown a {proof} before" in refused.detail
    assert identities.judge(first, NOW, 0) is proof
    # Nor after a restart.
    restarted = AgentIdentities(make_gate(NOW))
    restarted.restore([("agent-1", str(proof))])
    assert restarted.judge(second, NOW, 0) == refused


def test_a_token_may_be_followed_by_a_certificate() -> None:
    identities = asking()
    identities.note("agent-1", Proof.TOKEN)
    assert identities.judge(shown(certificate=True), NOW, 0) is Proof.CERTIFICATE


def test_the_memory_of_proofs_is_bounded_and_a_better_proof_gives_way_to_no_lesser() -> None:
    identities = AgentIdentities(make_gate(NOW))
    identities.note("agent-1", Proof.CERTIFICATE)
    for number in range(PROVEN_REMEMBERED + 10):
        identities.note(f"fleet-{number}", Proof.ANY_AGENTS_TOKEN)
        identities.note(f"stranger-{number}", Proof.NONE)
    assert sum(map(len, identities._proven.values())) == PROVEN_REMEMBERED + 1
    assert isinstance(identities.judge(shown(OF_AGENT), NOW, 0), Unproven)


@pytest.mark.parametrize(
    ("best", "found"),
    [(Proof.CERTIFICATE, None), (Proof.TOKEN, Proof.TOKEN), (Proof.NONE, Proof.NONE)],
)
def test_what_the_headend_cannot_check_any_more_counts_no_more(
    best: Proof, found: Proof | None
) -> None:
    identities = AgentIdentities(make_gate(NOW) if best else None, best=best)
    identities.restore([("agent-1", "certificate"), ("agent-2", "by word of mouth")])
    assert identities.judge(shown(agent_id="agent-2"), NOW, 0) is Proof.NONE
    judged = identities.judge(shown(OF_AGENT), NOW, 0)
    assert isinstance(judged, Unproven) if found is None else judged is found


def test_a_token_is_judged_anew_while_its_session_lives() -> None:
    gate = make_gate(NOW)
    identities = AgentIdentities(gate, needs_proof=True)
    assert identities.still_good(shown(OF_AGENT), NOW)
    gate.replace(make_tokens(NOW).with_revoked("of-agent", NOW))
    assert not identities.still_good(shown(OF_AGENT), NOW)
