"""Reads PEM files with ``cryptography``: the facts of certificates, and faults of keys. Pure."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from derproto.tls.certificate_facts import ANY_PURPOSE, CertificateFacts

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What ``cryptography`` raises for files that it does not understand."""


def read_certificates(pem: bytes) -> tuple[CertificateFacts, ...]:
    """The certificates of a PEM file, at least one.

    Raises: ValueError that says what is wrong with the file.
    """
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise ValueError("holds no certificate in PEM form; write one")
    try:
        return tuple(_facts(each) for each in x509.load_pem_x509_certificates(pem))
    except UNREADABLE as error:
        raise ValueError(f"holds a certificate that cannot be read: {error}") from error


def fault_of_key(key_pem: bytes, cert_pem: bytes) -> str | None:
    """What is wrong with a key, in words; None if it is the key of the first certificate.

    ``{cert}`` in the words stands for the certificate's name.
    """
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except TypeError:
        return "is encrypted, and a daemon has nobody to ask for the password; write it decrypted"
    except UNREADABLE:
        return "holds no private key in PEM form; write one"
    try:
        owner = x509.load_pem_x509_certificates(cert_pem)[0].public_key()
    except UNREADABLE:
        return None
    if key.public_key() == owner:
        return None
    return "is not the key of {cert}; give a certificate and a key that belong together"


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    extensions = certificate.extensions
    hosts: list[str] = []
    uris: list[str] = []
    purposes = frozenset({ANY_PURPOSE})
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = extension.value
            hosts += names.get_values_for_type(x509.DNSName)
            hosts += map(str, names.get_values_for_type(x509.IPAddress))
            uris += names.get_values_for_type(x509.UniformResourceIdentifier)
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            purposes = frozenset(oid.dotted_string for oid in extension.value)
    return CertificateFacts(
        _name(certificate.subject),
        _to_us(certificate.not_valid_before_utc),
        _to_us(certificate.not_valid_after_utc),
        tuple(hosts),
        tuple(uris),
        purposes,
    )


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "a certificate"


def _to_us(when: datetime) -> int:
    return round(when.timestamp()) * 1_000_000
