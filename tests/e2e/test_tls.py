"""TLS on the link: the headend's certificate, the agent's, and what the agent's is good for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.fleets import BATTERY, SOLAR, fleet
from tests.support.processes.world import running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def write_agent_certificate(authority: trustme.CA, agent_id: str, folder: Path) -> None:
    """A client certificate that names its agent, as an operator's own authority makes it."""
    issuer_key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.UniformResourceIdentifier(f"urn:der:agent:{agent_id}")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent_id)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{agent_id}.pem").write_bytes(certificate.public_bytes(pem))
    (folder / f"{agent_id}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_certificate_admits_only_its_own_agent(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    headend_cert = authority.issue_cert("127.0.0.1")
    headend_cert.cert_chain_pems[0].write_to_path(str(tmp_path / "headend.pem"))
    headend_cert.private_key_pem.write_to_path(str(tmp_path / "headend.key"))
    write_agent_certificate(authority, "mesa", tmp_path)
    settings = {
        "tls_cert": str(tmp_path / "headend.pem"),
        "tls_key": str(tmp_path / "headend.key"),
        "tls_client_ca": str(ca),
        "telemetry_period_s": 0.5,
    }
    agent_settings = tmp_path / "agent.yaml"
    agent_settings.write_text(
        f"tls: true\ntls_ca: {ca}\ntls_cert: {tmp_path}/mesa.pem\ntls_key: {tmp_path}/mesa.key\n"
    )
    with running(tmp_path / "world", fleet(), settings) as world:
        world.start_headend()
        world.start_agent(BATTERY, "--agent-id", "mesa", "--config", agent_settings)
        world.wait_online(BATTERY)
        dispatch = world.order(BATTERY, 0.5)
        world.wait_state(dispatch["id"], "started")
        # Another id under the same certificate, and no certificate at all.
        pretender = world.start_agent(SOLAR, "--agent-id", "other", "--config", agent_settings)
        eventually("refused", lambda: "not what the certificate names" in pretender.text())
        plain = tmp_path / "plain.yaml"
        plain.write_text(f"tls: true\ntls_ca: {ca}\n")
        stranger = world.start_agent(SOLAR, "--agent-id", "stranger", "--config", plain)
        eventually("turned away", lambda: "disconnected" in stranger.text())
        assert not world.online(SOLAR)
        assert world.online(BATTERY)
