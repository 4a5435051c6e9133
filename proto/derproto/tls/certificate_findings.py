"""Whether peers take a certificate now, and for how long: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from derproto.base.timefmt import format_us
from derproto.tls.certificate_facts import ANY_PURPOSE, CLIENT_AUTH, SERVER_AUTH, CertificateFacts
from derproto.tls.tls_files import AGENT_URI, TlsFile, TlsFiles, TlsRole

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000

SOON_DAYS = 30
"""Days before a certificate's end from which the daemons warn."""


class CertificateGrade(IntEnum):
    """How bad a finding is."""

    SOON = 1
    """Everything works, but somebody has to act."""
    REFUSED = 2
    """The file can be loaded, and peers refuse it."""
    UNUSABLE = 3
    """The file cannot be loaded."""


@dataclass(frozen=True, slots=True)
class CertificateFinding:
    """What is wrong with a file, and what to do."""

    setting: str
    text: str
    grade: CertificateGrade


@dataclass(frozen=True, slots=True)
class HeldCertificates:
    """The certificates in the files of one end."""

    files: TlsFiles
    own: tuple[CertificateFacts, ...] = ()
    """Its own certificate and the chain above it; empty without one."""
    authorities: tuple[CertificateFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """When the certificates of a file end."""

    setting: str
    ends_us: int


def judge(held: HeldCertificates, now_us: int) -> list[CertificateFinding]:
    """What is wrong with one end's certificates at that time."""
    files = held.files
    found: list[CertificateFinding] = []
    if files.cert is not None and held.own:
        found += _judge_times(files.cert, held.own, now_us, CertificateGrade.REFUSED)
        found += _judge_use(files.cert, held.own[0], files)
    if files.authorities is not None and held.authorities:
        valid = [each for each in held.authorities if _is_valid(each, now_us)]
        # Certificates of the others are still taken.
        worst = CertificateGrade.SOON if valid else CertificateGrade.REFUSED
        found += _judge_times(files.authorities, held.authorities, now_us, worst)
    return found


def ends_of(held: HeldCertificates, now_us: int) -> Iterator[CertificateEnd]:
    """When the first certificate of each file ends.

    An authority that has expired does not count while another is valid: it is a remnant of a
    replacement.
    """
    files = held.files
    if files.cert is not None and held.own:
        yield CertificateEnd(files.cert.setting, min(each.not_after_us for each in held.own))
    if files.authorities is not None and held.authorities:
        ends = [each.not_after_us for each in held.authorities]
        yield CertificateEnd(
            files.authorities.setting, min((e for e in ends if e > now_us), default=max(ends))
        )


def _is_valid(certificate: CertificateFacts, now_us: int) -> bool:
    return certificate.not_before_us <= now_us < certificate.not_after_us


def _judge_times(
    file: TlsFile, certificates: Sequence[CertificateFacts], now_us: int, worst: CertificateGrade
) -> Iterator[CertificateFinding]:
    for each in certificates:
        name = f"{file.path}: the certificate of {each.subject}"
        if now_us >= each.not_after_us:
            past = f"expired at {format_us(each.not_after_us)}, {_span(now_us - each.not_after_us)}"
            yield CertificateFinding(file.setting, f"{name} {past} ago; replace it", worst)
        elif now_us < each.not_before_us:
            ahead = f"is not valid before {format_us(each.not_before_us)}, in"
            said = f"{name} {ahead} {_span(each.not_before_us - now_us)}"
            advice = "replace it, or correct this machine's clock"
            yield CertificateFinding(file.setting, f"{said}; {advice}", worst)
        elif each.not_after_us - now_us < SOON_DAYS * DAY_US:
            left = f"expires at {format_us(each.not_after_us)}, in"
            said = f"{name} {left} {_span(each.not_after_us - now_us)}; renew it"
            yield CertificateFinding(file.setting, said, CertificateGrade.SOON)


def _judge_use(
    file: TlsFile, certificate: CertificateFacts, files: TlsFiles
) -> Iterator[CertificateFinding]:
    for wrong in _faults_of_use(certificate, files):
        said = f"{file.path}: the certificate of {certificate.subject} {wrong}"
        yield CertificateFinding(file.setting, said, CertificateGrade.REFUSED)


def _faults_of_use(certificate: CertificateFacts, files: TlsFiles) -> Iterator[str]:
    is_agent = files.role is TlsRole.AGENT
    purpose, end = (CLIENT_AUTH, "clients") if is_agent else (SERVER_AUTH, "servers")
    if not certificate.purposes & {purpose, ANY_PURPOSE}:
        yield f"is not for {end} (extended key usage); make one that is"
    if not is_agent and not certificate.hosts:
        yield (
            "names no host: clients read only its subject alternative names; make one that names "
            "the hosts by which clients reach this headend"
        )
    if is_agent and files.agent_id is not None:
        agents = sorted(uri for uri in certificate.uris if uri.startswith(AGENT_URI))
        if f"{AGENT_URI}{files.agent_id}" not in agents:
            names = f"names {', '.join(agents)}" if agents else "names no agent"
            yield f"{names}, and this agent needs the URI {AGENT_URI}{files.agent_id}; make another"


def _span(us: int) -> str:
    if us >= 2 * DAY_US:
        return f"{us // DAY_US} days"
    return f"{us // HOUR_US} hours" if us >= 2 * HOUR_US else f"{us // 60_000_000} minutes"
