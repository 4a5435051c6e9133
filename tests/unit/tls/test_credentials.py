"""Files that cannot be loaded are refused by name, with the fault and what to do."""

import ssl
import subprocess
from pathlib import Path

import pytest

from derproto.configuration.problems import ConfigError
from derproto.tls.certificate_findings import CertificateGrade
from derproto.tls.credentials import inspect_certificates, load_certificates
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole
from tests.support.certificates import TestAuthority, now, validity

NOW_US = round(now().timestamp() * 1e6)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    authority = TestAuthority.make(tmp_path_factory.mktemp("tls"))
    authority.write_server()
    authority.write_agent("mesa")
    return authority


def server(cert: Path, key: Path, ca: Path | None = None) -> TlsFiles:
    authorities = None if ca is None else TlsFile("tls_client_ca", ca)
    pair = TlsFile("tls_cert", cert), TlsFile("tls_key", key)
    return TlsFiles(TlsRole.GRPC_SERVER, *pair, authorities)


def problems(files: TlsFiles) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_certificates(files)
    return [str(problem) for problem in caught.value.problems]


def test_good_files_are_loaded_with_their_facts(authority: TestAuthority) -> None:
    loaded = load_certificates(authority.server_files(asks_for_clients=True))
    assert loaded.context.verify_mode is ssl.CERT_REQUIRED
    (own,) = loaded.held.own
    assert own.hosts == ("localhost", "127.0.0.1")
    assert [each.subject[:8] for each in loaded.held.authorities] == ["Test CA "]
    assert loaded.findings(NOW_US) == []
    (mesa,) = load_certificates(authority.agent_files("mesa")).held.own
    assert mesa.uris == ("urn:der:agent:mesa",)


def test_a_key_of_another_certificate_is_named(authority: TestAuthority) -> None:
    cert, key = authority.folder / "server.pem", authority.folder / "mesa.key"
    assert problems(server(cert, key)) == [
        f"tls_key: {key} is not the key of {cert} (tls_cert); "
        "give a certificate and a key that belong together"
    ]


def test_an_encrypted_key_is_refused_and_nobody_is_asked(
    authority: TestAuthority, tmp_path: Path
) -> None:
    key = tmp_path / "locked.key"
    subprocess.run(
        [
            *("openssl", "pkey", "-aes128", "-passout", "pass:secret"),
            *("-in", authority.folder / "server.key", "-out", key),
        ],
        check=True,
    )
    assert problems(server(authority.folder / "server.pem", key)) == [
        f"tls_key: {key} is encrypted, and a daemon has nobody to ask for the password; "
        "write it decrypted"
    ]


def test_files_of_another_kind_are_all_named(authority: TestAuthority, tmp_path: Path) -> None:
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("no PEM\n")
    advice = "holds no certificate in PEM form; write one"
    assert problems(server(text, authority.folder / "server.key", empty)) == [
        f"tls_cert: {text} {advice}",
        f"tls_client_ca: {empty} {advice}",
    ]
    assert problems(server(authority.folder / "server.pem", empty)) == [
        f"tls_key: {empty} holds no private key in PEM form; write one"
    ]


def test_a_broken_certificate_is_named(authority: TestAuthority, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    lines = (authority.folder / "server.pem").read_text().splitlines()
    broken.write_text("\n".join([*lines[:3], *lines[-1:]]))
    (said,) = problems(server(broken, authority.folder / "server.key"))
    assert said.startswith(f"tls_cert: {broken} holds a certificate that cannot be read: ")


def test_a_file_that_is_gone_is_named(authority: TestAuthority, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    assert problems(server(gone, authority.folder / "server.key")) == [
        f"tls_cert: {gone} cannot be read: No such file or directory"
    ]


def test_a_key_after_its_parameters_is_good(authority: TestAuthority, tmp_path: Path) -> None:
    """As ``openssl ecparam -genkey`` writes it."""
    key = tmp_path / "with-parameters.key"
    parameters = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1"], check=True, capture_output=True
    )
    key.write_bytes(parameters.stdout + (authority.folder / "server.key").read_bytes())
    load_certificates(server(authority.folder / "server.pem", key))


def test_a_file_of_two_ends_is_reported_once(authority: TestAuthority) -> None:
    authority.write_server("old", valid=validity(-1, starts_in_days=-9))
    files = server(authority.folder / "old.pem", authority.folder / "old.key")
    (finding,) = inspect_certificates([files, files], NOW_US)
    assert finding.grade is CertificateGrade.REFUSED
    (finding,) = inspect_certificates([server(authority.ca, Path("none"))] * 2, NOW_US)
    assert finding.grade is CertificateGrade.UNUSABLE
