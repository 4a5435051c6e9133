"""Makes authorities and certificates: elliptic keys (P-256), as RFC 5280 wants them.

Times are passed in. The keys' randomness is the operating system's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from derproto.tls.tls_files import AGENT_URI

BACKDATED = timedelta(hours=1)
"""A certificate is valid from this long before it is made, because clocks at sites may be late."""

_SIGNING = {"key_cert_sign": True, "crl_sign": True}
_PROVING = {"digital_signature": True}
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is valid, UTC."""

    begins: datetime
    ends: datetime

    @classmethod
    def for_days(cls, now: datetime, days: int) -> "Validity":
        """From a little before ``now``, for that many days."""
        return cls(now - BACKDATED, now + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> "KeyPair":
        """Raises: ValueError, TypeError (an encrypted key)."""
        private = serialization.load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not of an elliptic curve")
        return cls(x509.load_pem_x509_certificate(certificate), private)

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def make_authority(name: str, validity: Validity) -> KeyPair:
    """A new authority that signs certificates of servers and agents, and no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Two authorities of one name could not be told apart while one replaces the other.
    subject = _named(f"{name[:55]} {serial & 0xFFFFFFFF:08x}")
    certificate = (
        _begin(subject, subject, key.public_key(), validity, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(_SIGNING), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def make_server(authority: KeyPair, hosts: Sequence[str], validity: Validity) -> KeyPair:
    """A certificate of a server that is reached by these DNS names and IP addresses."""
    names = [_general_name(host) for host in hosts]
    return _issue(authority, hosts[0][:64], names, ExtendedKeyUsageOID.SERVER_AUTH, validity)


def make_agent(authority: KeyPair, agent_id: str, validity: Validity) -> KeyPair:
    """A certificate of an agent."""
    names = [x509.UniformResourceIdentifier(f"{AGENT_URI}{agent_id}")]
    return _issue(authority, agent_id, names, ExtendedKeyUsageOID.CLIENT_AUTH, validity)


def _issue(
    authority: KeyPair,
    name: str,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    validity: Validity,
) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    certificate = (
        _begin(
            _named(name), issuer.subject, key.public_key(), validity, x509.random_serial_number()
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(_PROVING), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    validity: Validity,
    serial: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(validity.begins)
        .not_valid_after(validity.ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(allowed: dict[str, bool]) -> x509.KeyUsage:
    return x509.KeyUsage(**dict.fromkeys(_USAGES, False) | allowed)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
