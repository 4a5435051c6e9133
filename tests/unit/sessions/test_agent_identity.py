"""An agent shows who it is, and what was shown once is not given up."""

from dataclasses import replace

import pytest
from grpclib import Status

from derhead.sessions import AgentIdentities
from derhead.sessions.admission.agent_identity import PROVEN_REMEMBERED, Proof, Shown, Unproven
from derhead.sessions.terms.refusals import StreamRefusal
from tests.support.access import (
    ADMIN,
    EXPIRED,
    OF_AGENT,
    OF_AGENT_2,
    OF_ANY_AGENT,
    REVOKED,
    STRANGE,
    make_gate,
    make_tokens,
)

NOW = 1_000_000
UNKNOWN, DENIED = Status.UNAUTHENTICATED, Status.PERMISSION_DENIED


def certificate_of(*uris: str) -> dict[str, object]:
    return {"subjectAltName": (("DNS", "agent-1"), *(("URI", uri) for uri in uris))}


OWN, OTHER = certificate_of("urn:der:agent:agent-1"), certificate_of("urn:der:agent:agent-2")
SEVERAL = certificate_of("urn:der:agent:agent-2", "urn:der:agent:agent-1")
NAMELESS = certificate_of("urn:der:agents:agent-1")


def shown(
    token: str | None = None, *, certificate: bool = False, agent_id: str = "agent-1"
) -> Shown:
    authorization = None if token is None else f"Bearer {token}".encode()
    return Shown(agent_id, OWN if certificate else None, authorization)


def asking() -> AgentIdentities:
    return AgentIdentities(make_gate(NOW), needs_proof=True)


C, T = StreamRefusal.CERTIFICATE, StreamRefusal.TOKEN
Verdict = Proof | tuple[StreamRefusal, Status, str]
DECISIONS: list[tuple[dict[str, object] | None, str | None, Verdict]] = [
    # The certificate decides, whatever token comes with it.
    *((OWN, token, Proof.CERTIFICATE) for token in (None, OF_AGENT, OF_AGENT_2, STRANGE, ADMIN)),
    (SEVERAL, None, Proof.CERTIFICATE),
    *(
        (other, token, (C, DENIED, "register.agent_id: "))
        for other in (OTHER, NAMELESS)
        for token in (None, OF_AGENT, OF_ANY_AGENT)
    ),
    # Without one, the token does.
    (None, OF_AGENT, Proof.TOKEN),
    (None, OF_ANY_AGENT, Proof.ANY_AGENTS_TOKEN),
    (None, OF_AGENT_2, (T, DENIED, "register.agent_id: agent-1 is not agent-2, for whom")),
    (None, ADMIN, (T, DENIED, "authorization: admin is admin, and agents need a token of the")),
    (None, STRANGE, (T, UNKNOWN, "authorization: the token is not known")),
    (None, EXPIRED, (T, UNKNOWN, "authorization: the token has expired")),
    (None, REVOKED, (T, UNKNOWN, "authorization: the token is revoked")),
    (None, f"{OF_AGENT}, {OF_AGENT}", (T, UNKNOWN, "authorization: ")),
    (None, None, (T, UNKNOWN, "send Authorization: Bearer TOKEN, and ask")),
]
"""What a stream of agent-1 shows, and what comes of it, row by row as in docs/security.md."""


@pytest.mark.parametrize(("certificate", "token", "verdict"), DECISIONS)
def test_what_a_stream_shows_decides(
    certificate: dict[str, object] | None, token: str | None, verdict: Verdict
) -> None:
    found = asking().judge(replace(shown(token), certificate=certificate), NOW, 0)
    if isinstance(verdict, Proof):
        assert found is verdict
        return
    assert isinstance(found, Unproven)
    assert (found.refusal, found.status) == verdict[:2]
    assert found.detail.startswith(verdict[2]) or verdict[2] in found.detail


def test_one_token_is_not_for_two_ids() -> None:
    identities = asking()
    identities.note("agent-1", Proof.TOKEN)
    refused = identities.judge(shown(OF_AGENT, agent_id="agent-2"), NOW, 0)
    assert isinstance(refused, Unproven)
    assert refused.status is DENIED
    assert isinstance(identities.judge(shown(OF_AGENT), NOW, 0), Proof)


def test_where_no_proof_is_needed_a_wrong_token_is_refused_all_the_same() -> None:
    identities = AgentIdentities(make_gate(NOW))
    assert identities.judge(shown(), NOW, 0) is Proof.NONE
    assert identities.judge(shown(OF_AGENT), NOW, 0) is Proof.TOKEN
    assert isinstance(identities.judge(shown(STRANGE), NOW, 0), Unproven)


def test_without_tokens_the_network_is_trusted() -> None:
    assert AgentIdentities().judge(shown(), NOW, 0) is Proof.NONE
    assert AgentIdentities().judge(shown(STRANGE), NOW, 0) is Proof.NONE


SHOWN = [shown(), shown(OF_ANY_AGENT), shown(OF_AGENT), shown(OF_AGENT, certificate=True)]
"""One stream of each proof, the least first."""


@pytest.mark.parametrize("second", Proof)
@pytest.mark.parametrize("first", Proof)
def test_an_id_is_left_to_the_same_proof_or_a_better_one_also_after_a_restart(
    first: Proof, second: Proof
) -> None:
    identities = AgentIdentities(make_gate(NOW))
    assert identities.judge(SHOWN[second], NOW, 0) is second
    assert identities.judge(SHOWN[first], NOW, 0) is first
    identities.note("agent-1", first)
    restarted = AgentIdentities(make_gate(NOW))
    restarted.restore([("agent-1", str(first))])
    for each in (identities, restarted):
        found = each.judge(SHOWN[second], NOW, 0)
        if second >= first:
            assert found is second
        else:
            assert isinstance(found, Unproven)
            assert found.refusal is StreamRefusal.IDENTITY
            assert found.status is (DENIED if second else UNKNOWN)
            assert f"agent-1 has shown a {first} before" in found.detail
        # The agent itself is not kept out by whoever tried.
        assert each.judge(SHOWN[first], NOW, 0) is first


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
