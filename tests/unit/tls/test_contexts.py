"""TLS contexts follow the same rules with every version of Python."""

import ssl
from pathlib import Path

import pytest
import trustme

from derproto.tls.contexts import client_context, server_context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    cert = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    cert.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    cert.private_key_pem.write_to_path(str(folder / "cert.key"))
    return folder


@pytest.mark.parametrize("side", ["server", "client"])
def test_old_tls_and_strict_extensions_are_off(folder: Path, side: str) -> None:
    ca, cert, key = folder / "ca.pem", folder / "cert.pem", folder / "cert.key"
    make = {
        "server": lambda: server_context(cert, key, ca),
        "client": lambda: client_context(ca, cert, key),
    }
    context = make[side]()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN


def test_without_an_authority_agents_need_no_certificate(folder: Path) -> None:
    context = server_context(folder / "cert.pem", folder / "cert.key", None)
    assert context.verify_mode is ssl.CERT_NONE
