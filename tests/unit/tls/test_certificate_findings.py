"""What is wrong with certificates at a time, and until when they are valid."""

from dataclasses import replace
from pathlib import Path

import pytest

from derproto.tls.certificate_facts import CLIENT_AUTH, SERVER_AUTH, CertificateFacts
from derproto.tls.certificate_findings import (
    CertificateEnd,
    CertificateFinding,
    CertificateGrade,
    HeldCertificates,
    ends_of,
    judge,
)
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole
from tests.support.epoch import DAY_US, HOUR_US, T0

HEADEND = CertificateFacts(
    "headend",
    T0 - DAY_US,
    T0 + 90 * DAY_US,
    hosts=("headend.example",),
    purposes=frozenset({SERVER_AUTH}),
)
MESA = CertificateFacts(
    "mesa",
    T0 - DAY_US,
    T0 + 90 * DAY_US,
    uris=("urn:der:agent:mesa",),
    purposes=frozenset({CLIENT_AUTH}),
)
AUTHORITY = CertificateFacts("CA", T0 - DAY_US, T0 + 900 * DAY_US)
PAIR = TlsFile("tls_cert", Path("h.pem")), TlsFile("tls_key", Path("h.key"))
SERVER = TlsFiles(TlsRole.GRPC_SERVER, *PAIR, TlsFile("tls_client_ca", Path("ca.pem")))
AGENT = TlsFiles(TlsRole.AGENT, *PAIR, agent_id="mesa")


def held(
    *own: CertificateFacts, authorities: tuple[CertificateFacts, ...] = ()
) -> HeldCertificates:
    return HeldCertificates(SERVER, own, authorities)


def judged(own: CertificateFacts, now_us: int = T0) -> list[str]:
    return [f"{each.grade.name}: {each.text}" for each in judge(held(own), now_us)]


def test_valid_certificates_have_no_findings() -> None:
    assert judge(held(HEADEND, AUTHORITY, authorities=(AUTHORITY,)), T0) == []
    assert judge(HeldCertificates(AGENT, (MESA,)), T0) == []


@pytest.mark.parametrize(
    ("left_us", "said"),
    [
        (30 * DAY_US, []),
        (30 * DAY_US - 1, ["SOON: h.pem: the certificate of headend expires at {}, in 29 days; "]),
        (2 * HOUR_US, ["SOON: h.pem: the certificate of headend expires at {}, in 2 hours; "]),
        (1, ["SOON: h.pem: the certificate of headend expires at {}, in 0 minutes; renew it"]),
        (0, ["REFUSED: h.pem: the certificate of headend expired at {}, 0 minutes ago; "]),
        (-3 * DAY_US, ["REFUSED: h.pem: the certificate of headend expired at {}, 3 days ago; "]),
    ],
)
def test_a_certificate_is_warned_of_for_30_days_and_then_refused(
    left_us: int, said: list[str]
) -> None:
    found = judged(HEADEND, HEADEND.not_after_us - left_us)
    assert len(found) == len(said)
    for text, start in zip(found, said, strict=True):
        assert text.startswith(start.format("2027-04-15T08:00:00Z"))


def test_a_certificate_of_tomorrow_is_refused() -> None:
    (said,) = judged(replace(HEADEND, not_before_us=T0 + DAY_US))
    assert said == (
        "REFUSED: h.pem: the certificate of headend is not valid before 2027-01-16T08:00:00Z, "
        "in 24 hours; replace it, or correct this machine's clock"
    )


def test_the_chain_counts_too() -> None:
    old = replace(AUTHORITY, subject="Issuing CA", not_after_us=T0 - 1)
    (finding,) = judge(held(HEADEND, old), T0)
    assert finding.grade is CertificateGrade.REFUSED
    assert "the certificate of Issuing CA expired" in finding.text


def test_a_certificate_for_another_use_is_refused() -> None:
    (said,) = judged(replace(HEADEND, purposes=frozenset({CLIENT_AUTH})))
    assert "is not for servers (extended key usage)" in said
    (said,) = judged(replace(HEADEND, hosts=()))
    assert "names no host" in said


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (replace(MESA, uris=("urn:der:agent:other",)), "names urn:der:agent:other, and this agent"),
        (replace(MESA, uris=("https://mesa.example",)), "names no agent, and this agent needs"),
        (replace(MESA, purposes=frozenset({SERVER_AUTH})), "is not for clients"),
    ],
)
def test_an_agent_needs_a_certificate_that_names_it(
    certificate: CertificateFacts, said: str
) -> None:
    (finding,) = judge(HeldCertificates(AGENT, (certificate,)), T0)
    assert finding.grade is CertificateGrade.REFUSED
    assert said in finding.text


def test_of_several_authorities_one_must_be_valid() -> None:
    old = replace(AUTHORITY, subject="Old CA", not_after_us=T0 - DAY_US)
    (finding,) = judge(held(HEADEND, authorities=(old, AUTHORITY)), T0)
    assert (finding.setting, finding.grade) == ("tls_client_ca", CertificateGrade.SOON)
    assert "Old CA expired" in finding.text
    (finding,) = judge(held(HEADEND, authorities=(old,)), T0)
    assert finding.grade is CertificateGrade.REFUSED


def test_a_file_ends_with_the_first_of_its_certificates() -> None:
    soon = replace(AUTHORITY, not_after_us=T0 + 5 * DAY_US)
    old = replace(AUTHORITY, not_after_us=T0 - DAY_US)
    ends = list(ends_of(held(HEADEND, soon, authorities=(old, AUTHORITY)), T0))
    assert ends == [
        CertificateEnd("tls_cert", soon.not_after_us),
        CertificateEnd("tls_client_ca", AUTHORITY.not_after_us),
    ]
    (_, end) = ends_of(held(HEADEND, authorities=(old,)), T0)
    assert end.ends_us == old.not_after_us


def test_findings_are_plain_values() -> None:
    finding = CertificateFinding("tls_cert", "text", CertificateGrade.SOON)
    assert finding == replace(finding)
    assert len({finding, replace(finding)}) == 1
