"""The command ``derhead pki``."""

import socket
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from derhead.errors import PkiRefused
from derhead.pki.authority import (
    KeyPair,
    Validity,
    make_agent,
    make_authority,
    make_server,
)
from derhead.pki.pki_folder import PkiFolder
from derproto.base.runtime import real_runtime
from derproto.stdio.command import put_out
from derproto.tls.certificate_reading import read_certificates


def run(flags: Namespace) -> None:
    """Makes the authority or certificates that the flags describe, and prints their settings.

    Raises: PkiRefused, OSError.
    """
    now = datetime.fromtimestamp(real_runtime().wall_us() / 1e6, UTC)
    issue(flags, now)


def issue(flags: Namespace, now: datetime) -> None:
    """As ``run``, at that time."""
    folder = PkiFolder(flags.dir)
    if flags.kind == "init":
        _make_authority(folder, flags.name, Validity.for_days(now, flags.days))
        return
    authority = folder.authority()
    validity = _within(authority, now, flags.days)
    if flags.kind == "server":
        hosts = flags.names or _present_hosts(folder, renew=flags.renew)
        _write(folder, "server", make_server(authority, hosts, validity), flags.renew)
        put_out(f"  for {', '.join(hosts)}\n" + _settings(folder, "server", "tls_client_ca"))
    else:
        for agent_id in flags.names:
            name = f"agents/{agent_id}"
            _write(folder, name, make_agent(authority, agent_id, validity), flags.renew)
            put_out(_settings(folder, name, "tls_ca"))


def _make_authority(folder: PkiFolder, name: str, validity: Validity) -> None:
    _write(folder, "ca", make_authority(name, validity), False)
    key = folder.files("ca")[1]
    put_out(f"  whoever has {key} can make certificates; the daemons do not need it\n")


def _write(folder: PkiFolder, name: str, pair: KeyPair, replace: bool) -> None:
    folder.write(name, pair, replace=replace)
    certificate, key = folder.files(name)
    ends = pair.certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    put_out(f"wrote {certificate} and {key}, valid until {ends}\n")


def _settings(folder: PkiFolder, name: str, authority: str) -> str:
    certificate, key = folder.files(name)
    return f"  tls_cert: {certificate}\n  tls_key: {key}\n  {authority}: {folder.files('ca')[0]}\n"


def _within(authority: KeyPair, now: datetime, days: int) -> Validity:
    """That many days from now, but no longer than the authority."""
    ends = authority.certificate.not_valid_after_utc
    if ends <= now:
        raise PkiRefused(
            f"the authority expired at {ends:%Y-%m-%d}; make another in another --dir, and "
            "replace this one as docs/certificates.md says"
        )
    validity = Validity.for_days(now, days)
    return Validity(validity.begins, min(validity.ends, ends))


def _present_hosts(folder: PkiFolder, *, renew: bool) -> Sequence[str]:
    """The hosts of the present certificate, or those of this machine."""
    if renew:
        present = folder.read("server", "leave out --renew to make the first")
        return read_certificates(present.certificate_pem())[0].hosts
    own = socket.gethostname().lower()
    return list(dict.fromkeys([own, "localhost", "127.0.0.1", "::1"]))
