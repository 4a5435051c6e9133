"""What is open to other machines needs protection, or somebody who wants it so."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import derhead.cli
from derhead.config import HeadendConfig, load
from derhead.config.exposure import ANY_PAGE, Exposure
from derhead.daemon.exposure_reminder import REMIND_S, remind_of_exposures
from derproto.configuration.kinds import Address
from derproto.configuration.problems import ConfigError
from tests.support.certificates import TestAuthority
from tests.unit.config.fleet_file import write_fleet

LOOPBACK = ("127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost")
OTHERS = ("0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "headend.example", "localhost.example")
BARE = HeadendConfig(assets=Path("a"))
TOKENS, PEM = Path("tokens.yaml"), Path("x.pem")


def exposed(config: HeadendConfig) -> dict[str, str]:
    return {each.setting: each.fact for each in config.exposures()}


def test_an_unconfigured_headend_binds_loopback_alone() -> None:
    assert (BARE.http.host, BARE.grpc.host) == ("127.0.0.1", "127.0.0.1")
    assert exposed(BARE) == {}


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_needs_no_protection(host: str) -> None:
    assert exposed(replace(BARE, http=Address(host, 1), grpc=Address(host, 2))) == {}


@pytest.mark.parametrize("host", OTHERS)
def test_addresses_beyond_loopback_need_protection(host: str) -> None:
    http, grpc = Address(host, 1), Address(host, 2)
    assert exposed(replace(BARE, http=http, grpc=grpc)) == {
        "http": f"REST at {http} is open to other machines without TLS and tokens",
        "grpc": f"gRPC at {grpc} is open to other machines without TLS and agents' certificates",
    }


@pytest.mark.parametrize(
    ("http_tls", "tokens", "lacks", "remedy"),
    [
        (True, TOKENS, None, None),
        (True, None, "tokens", "give tokens, or"),
        (False, TOKENS, "TLS", "give tls_cert, or"),
        (False, None, "TLS and tokens", "give tls_cert and tokens, or"),
    ],
)
def test_rest_needs_tls_and_tokens(
    http_tls: bool, tokens: Path | None, lacks: str | None, remedy: str | None
) -> None:
    config = replace(BARE, http=Address("::", 1), http_tls=http_tls, tokens=tokens)
    found = config.exposures()
    assert [each.fact.partition(" without ")[2] for each in found] == ([lacks] if lacks else [])
    assert [each.remedy for each in found] == ([f"{remedy} listen on 127.0.0.1:1"] if lacks else [])


@pytest.mark.parametrize(
    ("cert", "client_ca", "lacks"),
    [(PEM, PEM, None), (PEM, None, "agents' certificates"), (None, None, "TLS and agents'")],
)
def test_grpc_needs_tls_both_ways(
    cert: Path | None, client_ca: Path | None, lacks: str | None
) -> None:
    config = replace(BARE, grpc=Address("::", 1), tls_cert=cert, tls_client_ca=client_ca)
    assert bool(config.exposures()) is bool(lacks)
    assert (lacks or "") in exposed(config).get("grpc", "")


@pytest.mark.parametrize(
    ("origins", "tokens", "exposes"),
    [
        (("*",), None, True),
        (("https://a.example", "*"), None, True),
        (("https://a.example",), None, False),
        (("*",), TOKENS, False),
    ],
)
def test_pages_of_every_origin_need_tokens_also_on_loopback(
    origins: tuple[str, ...], tokens: Path | None, exposes: bool
) -> None:
    found = exposed(replace(BARE, cors_origins=origins, tokens=tokens))
    assert found == ({ANY_PAGE.setting: ANY_PAGE.fact} if exposes else {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_fleet(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_headend_that_is_open_to_others_is_refused_with_the_ways_out(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--assets", "assets.yaml", "--http", "0.0.0.0:8080"]
    assert derhead.cli.main([command, *flags]) == 2
    assert capsys.readouterr().err == (
        "--http: REST at 0.0.0.0:8080 is open to other machines without TLS and tokens; "
        "give tls_cert and tokens, or listen on 127.0.0.1:8080. "
        "With --insecure it starts all the same\n"
    )


def test_a_headend_for_every_web_page_is_refused_with_the_ways_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DERHEAD_CORS_ORIGINS", "*")
    for command in ("serve", "check"):
        assert derhead.cli.main([command, "--assets", "assets.yaml"]) == 2
        assert capsys.readouterr().err == (
            "DERHEAD_CORS_ORIGINS: REST without tokens is open to every web page in a browser that"
            " reaches it, orders too; name the origins whose pages may, or give tokens."
            " With --insecure it starts all the same\n"
        )


def test_a_check_of_an_insecure_headend_warns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--assets", "assets.yaml", "--http", "0.0.0.0:8080", "--insecure"]
    assert derhead.cli.main(["check", *flags]) == 0
    assert capsys.readouterr().err == (
        "warning: http: REST at 0.0.0.0:8080 is open to other machines without TLS and tokens; "
        "give tls_cert and tokens, or listen on 127.0.0.1:8080\n"
    )


def test_a_headend_of_a_control_centre_starts(folder: Path) -> None:
    authority = TestAuthority.make(folder / "tls")
    authority.write_server()
    token = ["--role", "viewer", "--tokens", "tokens.yaml"]
    assert derhead.cli.main(["token", "add", "grafana", *token]) == 0
    (folder / "derhead.yaml").write_text(
        "assets: assets.yaml\nhttp: 0.0.0.0:8443\ngrpc: 0.0.0.0:50051\ntokens: tokens.yaml\n"
        "tls_cert: tls/server.pem\ntls_key: tls/server.key\ntls_client_ca: tls/ca.pem\n"
    )
    flags = Namespace(config=str(folder / "derhead.yaml"))
    config, _ = load(flags, {})
    assert config.exposures() == ()
    # A proxy that ends TLS has to be on the same machine.
    with pytest.raises(ConfigError, match=r"REST at 0\.0\.0\.0:8443 is open .* without TLS;"):
        load(flags, {"DERHEAD_HTTP_TLS": "0"})
    config, _ = load(flags, {"DERHEAD_HTTP_TLS": "0", "DERHEAD_HTTP": "127.0.0.1:8080"})
    assert config.exposures() == ()


async def test_an_insecure_headend_says_so_every_hour(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    with trio.move_on_after(3 * REMIND_S + 1):
        await remind_of_exposures([Exposure("http", "REST is open", "close it")])
    line = 'level=warning event=insecure reason="REST is open" remedy="close it" '
    assert caplog.text.count(line) == 4


async def test_a_protected_headend_logs_no_exposure() -> None:
    with trio.fail_after(1):
        await remind_of_exposures([])
