"""Certificates in a configuration: which listeners have TLS, what `check` refuses and warns of."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

import deragent.cli
import derhead.cli
from derhead.config import HeadendConfig, read_config
from derproto.configuration.problems import ConfigError
from derproto.configuration.settings import Settings
from derproto.tls.tls_files import TlsRole
from tests.support.certificates import TestAuthority, validity
from tests.unit.config.fleet_file import NORTH, write_fleet

GRPC, HTTP = TlsRole.GRPC_SERVER, TlsRole.HTTP_SERVER


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestAuthority:
    monkeypatch.chdir(tmp_path)
    write_fleet(tmp_path)
    authority = TestAuthority.make(tmp_path / "tls")
    authority.write_server()
    authority.write_server("rest")
    authority.write_agent(NORTH)
    return authority


def read(**settings: str) -> HeadendConfig:
    environ = {f"DERHEAD_{key.upper()}": value for key, value in settings.items()}
    read = Settings("DERHEAD", vars(Namespace(assets="assets.yaml")), environ)
    config = read_config(read, environ)
    read.finish()
    return config


SHARED = {"tls_cert": "tls/server.pem", "tls_key": "tls/server.key"}
REST = {"http_tls_cert": "tls/rest.pem", "http_tls_key": "tls/rest.key"}


@pytest.mark.parametrize(
    ("settings", "certs"),
    [
        ({}, {}),
        (SHARED, {GRPC: "tls_cert", HTTP: "tls_cert"}),
        (SHARED | REST, {GRPC: "tls_cert", HTTP: "http_tls_cert"}),
        (REST, {HTTP: "http_tls_cert"}),
        (SHARED | {"http_tls": "false"}, {GRPC: "tls_cert"}),
    ],
)
def test_one_certificate_serves_both_listeners_unless_told_otherwise(
    settings: dict[str, str], certs: dict[TlsRole, str], authority: TestAuthority
) -> None:
    ends = read(**settings).tls_ends()
    assert {each.role: each.cert and each.cert.setting for each in ends} == certs


def test_the_authority_of_agents_is_not_asked_of_browsers(authority: TestAuthority) -> None:
    grpc, rest = read(**SHARED, tls_client_ca="tls/ca.pem").tls_ends()
    assert grpc.authorities is not None
    assert rest.authorities is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"http_tls": "true"}, "DERHEAD_HTTP_TLS: true, yet REST has no certificate; give "),
        (REST | {"http_tls": "0"}, "DERHEAD_HTTP_TLS: false, yet http_tls_cert is given; "),
        ({"http_tls_cert": "tls/rest.pem"}, "DERHEAD_HTTP_TLS_CERT: it needs http_tls_key; "),
        ({"http_tls_key": "tls/rest.key"}, "DERHEAD_HTTP_TLS_KEY: it needs http_tls_cert; "),
        (SHARED | {"tls_key": "tls/no.key"}, "DERHEAD_TLS_KEY: there is no file tls/no.key; "),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: dict[str, str], problem: str, authority: TestAuthority
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**settings)
    assert [str(each)[: len(problem)] for each in caught.value.problems] == [problem]


# --- derhead check, deragent check ------------------------------------------------------------

Run = Callable[..., int]


@pytest.fixture
def check(authority: TestAuthority) -> Run:
    """Runs ``derhead check`` with the shared certificate, and more settings of a file."""
    lines = [f"{key}: {value}" for key, value in (SHARED | {"tls_client_ca": "tls/ca.pem"}).items()]

    def run() -> int:
        Path("derhead.yaml").write_text("\n".join(lines))
        return derhead.cli.main(["check", "--assets", "assets.yaml", "--config", "derhead.yaml"])

    return run


@pytest.fixture
def check_agent(authority: TestAuthority) -> Run:
    """Runs ``deragent check`` for the site North."""
    lines = [f"tls_cert: tls/{NORTH}.pem", f"tls_key: tls/{NORTH}.key", "tls_ca: tls/ca.pem"]

    def run(*more: str) -> int:
        Path("deragent.yaml").write_text("\n".join(lines))
        flags = ["--assets", "assets.yaml", "--config", "deragent.yaml", "--site", "North"]
        return deragent.cli.main(["check", *flags, "--headend", "h:1", *more])

    return run


def test_good_certificates_pass(
    check: Run, check_agent: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (check(), check_agent()) == (0, 0)
    out, err = capsys.readouterr()
    assert "REST at 127.0.0.1:8080 (TLS), agents at 127.0.0.1:50051 (TLS with client cert" in out
    assert err == ""


def test_an_expired_certificate_is_refused_by_name(
    check: Run, check_agent: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    old = validity(-3, starts_in_days=-10)
    authority.write_server(valid=old)
    authority.write_agent(NORTH, valid=old)
    assert (check(), check_agent()) == (2, 2)
    headend, agent = capsys.readouterr().err.splitlines()
    assert headend.startswith("derhead.yaml:1: tls_cert: tls/server.pem: the certificate of ")
    assert agent.startswith(f"deragent.yaml:1: tls_cert: tls/{NORTH}.pem: the certificate of ")
    for line in (headend, agent):
        assert line.endswith(", 3 days ago; replace it")


def test_a_certificate_of_next_week_is_refused_by_name(
    check: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    authority.write_server(valid=validity(90, starts_in_days=7.5))
    assert check() == 2
    assert "is not valid before " in capsys.readouterr().err


def test_a_key_of_another_certificate_is_refused_by_name(
    check: Run, check_agent: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    (authority.folder / "server.key").write_bytes((authority.folder / "rest.key").read_bytes())
    (authority.folder / f"{NORTH}.key").write_bytes((authority.folder / "rest.key").read_bytes())
    assert (check(), check_agent()) == (2, 2)
    headend, agent = capsys.readouterr().err.splitlines()
    assert headend.startswith("derhead.yaml:2: tls_key: tls/server.key is not the key of tls/serv")
    assert agent.startswith(f"deragent.yaml:2: tls_key: tls/{NORTH}.key is not the key of ")


def test_a_certificate_of_another_agent_is_refused_by_name(
    check_agent: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_agent("--agent-id", "mesa") == 2
    assert (
        f"names urn:der:agent:{NORTH}, and this agent needs the URI urn:der:agent:mesa; "
        in capsys.readouterr().err
    )


def test_an_expired_authority_is_refused_by_name(
    check: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old = TestAuthority.make(tmp_path / "old", days=-0.01)
    authority.ca.write_bytes(old.pair.certificate_pem())
    assert check() == 2
    assert "derhead.yaml:3: tls_client_ca: tls/ca.pem: the certificate of Test CA" in (
        capsys.readouterr().err
    )


def test_a_certificate_that_ends_within_30_days_is_warned_of(
    check: Run, check_agent: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    authority.write_server(valid=validity(29.5))
    authority.write_agent(NORTH, valid=validity(12.5))
    assert (check(), check_agent()) == (0, 0)
    headend, agent = capsys.readouterr().err.splitlines()
    assert headend.startswith("warning: tls_cert: tls/server.pem: the certificate of 127.0.0.1 exp")
    assert headend.endswith(", in 29 days; renew it")
    assert agent.endswith(", in 12 days; renew it")


@pytest.mark.parametrize("content", ["", "text"])
def test_a_file_that_is_no_certificate_is_refused_by_name(
    content: str, check: Run, authority: TestAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    (authority.folder / "server.pem").write_text(content)
    assert check() == 2
    assert capsys.readouterr().err == (
        "derhead.yaml:1: tls_cert: tls/server.pem holds no certificate in PEM form; write one\n"
    )
