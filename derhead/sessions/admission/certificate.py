"""The agents that a client certificate names: pure.

A certificate names its agent as a URI in its subject alternative names,
``urn:der:agent:<agent_id>``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

PREFIX = "urn:der:agent:"


def certified_agents(certificate: Mapping[str, object]) -> frozenset[str]:
    """The agent_ids in a certificate, as ``ssl.SSLSocket.getpeercert`` returns it."""
    names = certificate.get("subjectAltName", ())
    assert isinstance(names, tuple)
    return frozenset(
        value.removeprefix(PREFIX)
        for kind, value in names
        if kind == "URI" and value.startswith(PREFIX)
    )


def certificate_end_us(certificate: Mapping[str, object] | None) -> int | None:
    """When the certificate ends, microseconds since the epoch; None = there is none."""
    if not certificate:
        return None
    end = datetime.strptime(str(certificate["notAfter"]), "%b %d %H:%M:%S %Y GMT")
    return round(end.replace(tzinfo=UTC).timestamp()) * 1_000_000


def check_certificate(certificate: Mapping[str, object] | None, agent_id: str) -> str | None:
    """Why the certificate does not allow this agent_id; None if it does.

    Without a verified client certificate any client may use any id; the headend then trusts its
    network.
    """
    if not certificate:
        return None
    agents = certified_agents(certificate)
    if agent_id in agents:
        return None
    if not agents:
        return f"register.agent_id: the certificate names no agent; it needs a URI {PREFIX}<id>"
    return f"register.agent_id: {agent_id} is not what the certificate names: {sorted(agents)}"
