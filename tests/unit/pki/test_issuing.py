"""``derhead pki`` makes what OpenSSL accepts, keeps it to its owner, and loses nothing."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

import derhead.cli
from derproto.tls.credentials import load_certificates
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pki"


def pki(*arguments: str) -> int:
    return derhead.cli.main(["pki", *arguments])


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def openssl_verifies(folder: Path, *names: str, purpose: str) -> None:
    files = [folder / f"{name}.pem" for name in names]
    subprocess.run(
        [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            str(folder / "ca.pem"),
        ]
        + [str(file) for file in files],
        check=True,
        capture_output=True,
    )


def test_an_authority_and_its_certificates(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pki("init") == 0
    assert pki("server", "headend.example", "192.0.2.7", "2001:DB8::1", "*.site.example") == 0
    assert pki("agent", "mesa", "..", "5b0c6a52-7f0e-4c39-8f4b-3a1c7d0e9a01") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "for headend.example, 192.0.2.7, 2001:db8::1, *.site.example\n" in out
    assert "  tls_cert: pki/agents/mesa.pem\n  tls_key: pki/agents/mesa.key\n" in out
    openssl_verifies(folder, "server", purpose="sslserver")
    openssl_verifies(folder, "agents/mesa", "agents/..", purpose="sslclient")
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*.*")} == {"0o600"}
    assert [oct(each.stat().st_mode & 0o777) for each in (folder, folder / "agents")] == [
        "0o700"
    ] * 2
    assert len(list(folder.rglob("*"))) == 11


def test_both_daemons_load_them(folder: Path) -> None:
    assert pki("init", "--name", "Valley Power CA") == 0
    assert pki("server") == 0
    assert pki("agent", "mesa") == 0
    now_us = round(datetime.now(UTC).timestamp() * 1e6)
    ends = [
        TlsFiles(
            role,
            TlsFile("tls_cert", folder / f"{name}.pem"),
            TlsFile("tls_key", folder / f"{name}.key"),
            TlsFile("tls_ca", folder / "ca.pem"),
            "mesa",
        )
        for role, name in ((TlsRole.GRPC_SERVER, "server"), (TlsRole.AGENT, "agents/mesa"))
    ]
    server, agent = (load_certificates(files) for files in ends)
    assert [*server.findings(now_us), *agent.findings(now_us)] == []
    assert {"localhost", "127.0.0.1", "::1"} <= set(server.held.own[0].hosts)
    assert server.held.authorities[0].subject.startswith("Valley Power CA ")


@pytest.mark.parametrize("command", [["init"], ["server"], ["agent", "mesa"]])
def test_nothing_is_overwritten(
    command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in (["init"], ["server"], ["agent", "mesa"]):
        assert pki(*each) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    assert pki(*command) == 1
    assert "is there already and stays as it is; give " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_half_a_pair_is_not_overwritten_either(folder: Path) -> None:
    assert pki("init") == 0
    (folder / "server.key").write_text("precious")
    assert pki("server") == 1
    assert (folder / "server.key").read_text() == "precious"
    assert not (folder / "server.pem").exists()


def test_renew_replaces_key_and_certificate_and_keeps_the_names(folder: Path) -> None:
    assert pki("init") == 0
    assert pki("server", "--renew") == 1
    assert pki("server", "headend.example", "192.0.2.7") == 0
    before, key = read(folder / "server.pem"), (folder / "server.key").read_bytes()
    assert pki("server", "--renew", "--days", "10") == 0
    after = read(folder / "server.pem")
    assert (folder / "server.key").read_bytes() != key
    names = [
        each.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for each in (before, after)
    ]
    assert names[0] == names[1]
    assert after.not_valid_after_utc < before.not_valid_after_utc
    openssl_verifies(folder, "server", purpose="sslserver")


def test_a_certificate_ends_no_later_than_its_authority(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pki("init", "--days", "20") == 0
    assert pki("agent", "mesa") == 0
    ca, mesa = read(folder / "ca.pem"), read(folder / "agents/mesa.pem")
    assert mesa.not_valid_after_utc == ca.not_valid_after_utc
    assert timedelta(hours=-2) < mesa.not_valid_before_utc - datetime.now(UTC) < timedelta(0)


def test_two_authorities_of_one_name_differ(folder: Path) -> None:
    assert pki("init") == 0
    assert pki("init", "--dir", "other") == 0
    assert read(folder / "ca.pem").subject != read(Path("other/ca.pem")).subject


@pytest.mark.parametrize(
    "arguments",
    [
        ["agent", "San Luis"],
        ["agent", "../../etc/mesa"],
        ["agent"],
        ["server", "headend.example:8080"],
        ["server", "https://headend.example"],
        ["server", "-bad-.example"],
        ["init", "--days", "0"],
        ["init", "--name", ""],
        ["init", "--name", "a\nb"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_arguments_exit_2_and_write_nothing(arguments: list[str], folder: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        pki(*arguments)
    assert ended.value.code == 2
    assert not folder.exists()


def test_without_an_authority_nothing_is_signed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pki("server") == 1
    said = "there is no pki/ca.pem; make the authority with derhead pki init"
    assert capsys.readouterr().err == f"derhead: {said}\n"
    folder.mkdir()
    for name in ("ca.pem", "ca.key"):
        (folder / name).write_text("nothing")
    assert pki("server") == 1
    assert "pki/ca.pem and pki/ca.key cannot be used" in capsys.readouterr().err
