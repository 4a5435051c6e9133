"""Problems of certificates, under the names of their settings."""

import sys
from collections.abc import Sequence

from derproto.configuration.settings import Settings
from derproto.tls.certificate_findings import CertificateGrade
from derproto.tls.credentials import inspect_certificates
from derproto.tls.tls_files import TlsFiles


def complain_of_certificates(
    settings: Settings, ends: Sequence[TlsFiles], at_us: int | None
) -> None:
    """Notes each certificate that cannot be loaded or, with ``at_us``, is refused at that time.

    A file that is missing has been noted before.
    """
    worst = CertificateGrade.UNUSABLE if at_us is None else CertificateGrade.REFUSED
    there = [files for files in ends if all(path.is_file() for path in files.paths())]
    for each in inspect_certificates(there, at_us or 0):
        if each.grade >= worst:
            settings.complain(each.setting, each.text)


def warn_of_certificates(ends: Sequence[TlsFiles], at_us: int) -> None:
    """Warns on stderr about faults of these certificates, now or soon, a line each."""
    for each in inspect_certificates(ends, at_us):
        print(f"warning: {each.setting}: {each.text}", file=sys.stderr)
