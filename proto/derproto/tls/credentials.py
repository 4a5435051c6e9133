"""Loading the files of one end of TLS: OpenSSL decides, ``cryptography`` explains."""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from derproto.configuration.problems import ConfigError, Problem
from derproto.tls.certificate_facts import CertificateFacts
from derproto.tls.certificate_findings import (
    CertificateFinding,
    CertificateGrade,
    HeldCertificates,
    judge,
)
from derproto.tls.contexts import context_of
from derproto.tls.tls_files import TlsFile, TlsFiles


@dataclass(frozen=True, slots=True)
class LoadedCertificates:
    """The loaded files of one end."""

    context: ssl.SSLContext
    held: HeldCertificates
    unread: tuple[CertificateFinding, ...] = ()
    """Files that OpenSSL has taken but whose dates ``cryptography`` cannot read."""

    def findings(self, now_us: int) -> list[CertificateFinding]:
        """What is wrong at that time."""
        return [*self.unread, *judge(self.held, now_us)]


def load_certificates(files: TlsFiles) -> LoadedCertificates:
    """Loads the files of one end. May block.

    An OpenSSL context cannot forget an authority, so each load makes a new one.
    Raises: ConfigError, with a problem for each file that cannot be loaded, under its setting.
    """
    try:
        context = context_of(files)
    except OSError as error:
        problems = list(_explain(files))
        if not problems:
            named = ", ".join(file.setting for file in _given(files))
            text = f"OpenSSL refuses them: {error.strerror or error}"
            problems = [Problem(None, None, named, text)]
        raise ConfigError(problems) from error
    unread: list[CertificateFinding] = []
    own = _facts(files.cert, unread)
    authorities = _facts(files.authorities, unread)
    return LoadedCertificates(context, HeldCertificates(files, own, authorities), tuple(unread))


def inspect_certificates(ends: Sequence[TlsFiles], now_us: int) -> list[CertificateFinding]:
    """What is wrong with the files of these ends at that time. May block."""
    findings: list[CertificateFinding] = []
    for files in ends:
        try:
            findings += load_certificates(files).findings(now_us)
        except ConfigError as wrong:
            findings += [
                CertificateFinding(problem.key, problem.text, CertificateGrade.UNUSABLE)
                for problem in wrong.problems
            ]
    # Two ends may share a file.
    return list(dict.fromkeys(findings))


def _given(files: TlsFiles) -> list[TlsFile]:
    return [file for file in (files.cert, files.key, files.authorities) if file is not None]


def _facts(file: TlsFile | None, unread: list[CertificateFinding]) -> tuple[CertificateFacts, ...]:
    if file is None:
        return ()
    # Imported late, as below: it takes 50 ms, and few agents have certificates.
    from derproto.tls.certificate_reading import read_certificates

    try:
        return read_certificates(file.path.read_bytes())
    except (OSError, ValueError) as error:
        text = f"{file.path} {error}; nobody is warned before it expires"
        unread.append(CertificateFinding(file.setting, text, CertificateGrade.SOON))
        return ()


def _explain(files: TlsFiles) -> Iterator[Problem]:
    """Why OpenSSL refuses the files, as far as ``cryptography`` can tell."""
    from derproto.tls.certificate_reading import fault_of_key, read_certificates

    contents: dict[str, bytes] = {}
    for file in _given(files):
        try:
            contents[file.setting] = file.path.read_bytes()
        except OSError as error:
            yield _problem(file, f"cannot be read: {error.strerror or error}")
    readable = True
    for file in _given(files):
        if file is not files.key and file.setting in contents:
            try:
                read_certificates(contents[file.setting])
            except ValueError as error:
                readable = readable and file is not files.cert
                yield _problem(file, str(error))
    cert, key = files.cert, files.key
    if cert and key and readable and {cert.setting, key.setting} <= contents.keys():
        fault = fault_of_key(contents[key.setting], contents[cert.setting])
        if fault is not None:
            yield _problem(key, fault.format(cert=f"{cert.path} ({cert.setting})"))


def _problem(file: TlsFile, text: str) -> Problem:
    return Problem(None, None, file.setting, f"{file.path} {text}")
