"""derhead's settings: precedence, bounds, and problems under the name they came by."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import pytest

from derhead.config import HeadendConfig, load, load_settings, read_config
from derhead.daemon.limits import retention_limits
from derhead.history import DAY_US, GB, RetentionLimits
from derproto.configuration.kinds import Address
from derproto.configuration.problems import ConfigError
from derproto.configuration.settings import Settings
from tests.unit.config.fleet_file import NORTH, write_fleet

NO_ENV: Mapping[str, str] = {}


def config_file(folder: Path, text: str) -> str:
    path = folder / "derhead.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def load_config(flags: Namespace, environ: Mapping[str, str]) -> HeadendConfig:
    """The settings alone, without the fleet's file. Raises: ConfigError."""
    settings = Settings("DERHEAD", vars(flags), environ)
    config = read_config(settings, environ)
    settings.require_one("assets")
    settings.finish()
    return config


def problems_of(flags: Namespace, environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(flags, environ)
    return str(caught.value).splitlines()


def test_only_the_assets_must_be_given() -> None:
    config = load_config(Namespace(assets="a.yaml"), NO_ENV)
    assert config == HeadendConfig(assets=Path("a.yaml"))
    assert (str(config.http), str(config.grpc)) == ("127.0.0.1:8080", "127.0.0.1:50051")
    assert config.data == Path("var/derhead")


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = config_file(
        tmp_path,
        """\
assets: fleet/assets.yaml
http: 0.0.0.0:1
grpc: 0.0.0.0:1
data: state
drain_s: 1
telemetry_period_s: 1
max_sessions: 7
log_level: warning
""",
    )
    environ = {
        "DERHEAD_HTTP": "0.0.0.0:2",
        "DERHEAD_GRPC": "0.0.0.0:2",
        "DERHEAD_DRAIN_S": "2",
        "DERHEAD_MAX_SESSIONS": "",
        "DERHEAD_LOG_LEVEL": "error",
    }
    flags = Namespace(config=file, http="0.0.0.0:3", grpc=None, assets=None, log_level="debug")
    assert load_config(flags, environ) == HeadendConfig(
        # Paths of the file are relative to it.
        assets=tmp_path / "fleet/assets.yaml",
        data=tmp_path / "state",
        http=Address("0.0.0.0", 3),
        grpc=Address("0.0.0.0", 2),
        drain_s=2.0,
        telemetry_period_s=1.0,
        max_sessions=7,
        log_level="debug",
    )


def test_the_config_file_itself_may_come_from_the_environment(tmp_path: Path) -> None:
    file = config_file(tmp_path, "assets: /a.yaml\ndrain_s: 1\n")
    config = load_config(Namespace(config=None), {"DERHEAD_CONFIG": file})
    assert (config.assets, config.drain_s) == (Path("/a.yaml"), 1.0)


def test_data_is_where_systemd_says_unless_told() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/derhead:/var/lib/more"}
    assert load_config(Namespace(assets="a"), environ).data == Path("/var/lib/derhead")
    assert load_config(Namespace(assets="a", data="here"), environ).data == Path("here")
    environ["DERHEAD_DATA"] = "there"
    assert load_config(Namespace(assets="a"), environ).data == Path("there")


def test_the_password_of_postgres_is_what_systemd_passed_unless_told(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    dsn = {"DERHEAD_POSTGRES_DSN": "postgresql://derhead@db/derhead"}
    assert load_config(Namespace(assets="a"), environ | dsn).postgres_password_file is None
    passed, own = tmp_path / "postgres-password", tmp_path / "own"
    passed.write_text("secret")
    own.write_text("secret")
    assert load_config(Namespace(assets="a"), environ | dsn).postgres_password_file == passed
    told = {"DERHEAD_POSTGRES_PASSWORD_FILE": str(own)}
    assert load_config(Namespace(assets="a"), environ | dsn | told).postgres_password_file == own
    # Without a database there is nothing to complain about.
    assert load_config(Namespace(assets="a"), environ).postgres_password_file is None


def test_commands_on_the_journal_need_its_folder_only(tmp_path: Path) -> None:
    assert load_settings(Namespace(data="there"), NO_ENV).data == Path("there")
    file = config_file(tmp_path, "data: state\nretention: {dayz: 3}\n")
    with pytest.raises(ConfigError, match="dayz: unknown key"):
        load_settings(Namespace(config=file), NO_ENV)


def test_every_problem_names_its_source_and_what_to_write(tmp_path: Path) -> None:
    file = config_file(
        tmp_path,
        """\
drain_s: 100
htpp: 127.0.0.1:80
telemetry_period_s: "4"
max_sessions: 2.5
max_sessions: 3
alive_period_s: 1:30
tls_cert: [a]
""",
    )
    environ = {"DERHEAD_GRPC": "50051", "DERHEAD_HEARTBEAT_PERIOD_S": "soon"}
    flags = Namespace(config=file, http="http://here:80", log_level="loud")
    period = "write a number of at least 0.1 and up to 3600, in seconds"
    where = "write host:port, such as 127.0.0.1:8080 or [::1]:8080"
    assert problems_of(flags, environ) == [
        f"--http: 'http://here:80' is a URL; {where}, without the scheme",
        f"DERHEAD_GRPC: '50051' has no port; {where}",
        f"DERHEAD_HEARTBEAT_PERIOD_S: the text 'soon' is not a number; {period}",
        "--log-level: there is no level 'loud'; there are: debug, info, warning, error",
        "--assets: missing; give it, set DERHEAD_ASSETS, or write assets in the --config file",
        f"{file}:1: drain_s: 100 is out of range; "
        "write a number of at least 0 and up to 60, in seconds",
        f"{file}:2: htpp: unknown key; did you mean http?",
        f"{file}:3: telemetry_period_s: the text '4' is not a number; {period}",
        f"{file}:4: max_sessions: the number 2.5 is not a whole number; "
        "write a whole number from 1 to 100000",
        f"{file}:5: max_sessions: written twice, first on line 4; keep one of them",
        f"{file}:6: alive_period_s: the text '1:30' is not a number; {period}",
        f"{file}:7: tls_cert: a list is not text; write a path",
    ]


def test_origins_are_scheme_host_and_port() -> None:
    for good in ("https://a.example", "http://10.0.0.1:8080", "http://[::1]:3000", "*"):
        environ = {"DERHEAD_CORS_ORIGINS": good}
        assert load_config(Namespace(assets="a"), environ).cors_origins == (good,)
    both = {"DERHEAD_CORS_ORIGINS": "https://a.example, https://b.example:444"}
    origins = load_config(Namespace(assets="a"), both).cors_origins
    assert origins == ("https://a.example", "https://b.example:444")
    for bad in ("a.example", "https://a.example/", "https://a.example/x", "null", "ftp://a"):
        (problem,) = problems_of(Namespace(assets="a"), {"DERHEAD_CORS_ORIGINS": bad})
        assert problem.startswith(f"DERHEAD_CORS_ORIGINS: '{bad}' is not an origin; write scheme")


def test_a_config_file_that_is_not_there(tmp_path: Path) -> None:
    assert problems_of(Namespace(config=str(tmp_path / "no"), assets="a"), NO_ENV) == [
        f"{tmp_path}/no: there is no such file; correct its path or create it"
    ]


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"DERHEAD_AGENT_SILENCE_S": "30"}, "DERHEAD_AGENT_SILENCE_S"),
        ({"DERHEAD_HEARTBEAT_PERIOD_S": "60"}, "DERHEAD_HEARTBEAT_PERIOD_S"),
    ],
)
def test_silence_must_be_longer_than_the_heartbeat(environ: dict[str, str], key: str) -> None:
    (problem,) = problems_of(Namespace(assets="a"), environ)
    assert problem.startswith(f"{key}: agents may be silent for ")
    assert problem.endswith("change one of them")


def test_certificates_are_files_and_come_with_their_key(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.touch()
    environ = {"DERHEAD_TLS_CERT": str(cert), "DERHEAD_TLS_CLIENT_CA": "nowhere.pem"}
    assert problems_of(Namespace(assets="a"), environ) == [
        "DERHEAD_TLS_CERT: it needs tls_key; give both or neither",
        "DERHEAD_TLS_CLIENT_CA: there is no file nowhere.pem; correct the path",
    ]
    environ = {"DERHEAD_TLS_KEY": str(cert), "DERHEAD_TLS_CLIENT_CA": str(cert)}
    assert problems_of(Namespace(assets="a"), environ) == [
        "DERHEAD_TLS_KEY: it needs tls_cert; give both or neither",
        "DERHEAD_TLS_CLIENT_CA: it needs tls_cert; give both or neither",
    ]
    environ = dict.fromkeys(("DERHEAD_TLS_CERT", "DERHEAD_TLS_KEY"), str(cert))
    assert load_config(Namespace(assets="a"), environ).tls_cert == cert


def test_problems_of_config_and_assets_come_together(tmp_path: Path) -> None:
    assets = write_fleet(tmp_path)
    config, fleet = load(Namespace(assets=str(assets)), NO_ENV)
    assert config.assets == assets
    assert NORTH in fleet.sites
    with pytest.raises(ConfigError) as caught:
        load(Namespace(assets=".", grpc="x"), NO_ENV)
    assert [problem.text.partition(";")[0] for problem in caught.value.problems] == [
        "'x' has no port",
        "cannot be read: Is a directory",
    ]
    with pytest.raises(ConfigError) as caught:
        load(Namespace(assets=""), NO_ENV)
    assert str(caught.value) == "--assets: empty; write a text, or leave the key out"


def test_a_dsn_may_hold_its_password_in_the_environment_only(tmp_path: Path) -> None:
    dsn = "postgresql://u:secret@h/d"
    environ = {"DERHEAD_ASSETS": "a.yaml", "DERHEAD_POSTGRES_DSN": dsn}
    config = load_config(Namespace(), environ)
    assert config.postgres_dsn is not None
    assert config.postgres_dsn.password == "secret"
    assert "secret" not in repr(config)
    file = config_file(tmp_path, f"assets: a.yaml\npostgres: {{dsn: '{dsn}'}}\n")
    (problem,) = problems_of(Namespace(config=file), NO_ENV)
    assert "postgres.dsn: the DSN holds a password, which does not belong in this file" in problem
    assert "secret" not in problem


def test_a_password_file_must_be_there_and_is_nothing_without_a_dsn(tmp_path: Path) -> None:
    environ = {"DERHEAD_ASSETS": "a.yaml", "DERHEAD_POSTGRES_PASSWORD_FILE": str(tmp_path / "x")}
    assert [problem.split(": ")[1][:13] for problem in problems_of(Namespace(), environ)] == [
        "there is no f",
        "it needs post",
    ]


def test_beside_a_postgresql_the_journal_keeps_a_week() -> None:
    alone = load_config(Namespace(assets="a.yaml"), NO_ENV)
    beside = load_config(Namespace(assets="a.yaml"), {"DERHEAD_POSTGRES_DSN": "postgresql:///d"})
    assert retention_limits(alone) == RetentionLimits(30 * DAY_US, 10 * GB, fed=False)
    assert retention_limits(beside) == RetentionLimits(7 * DAY_US, 10 * GB, fed=True)


def test_allowed_hosts_are_names_and_addresses_alone() -> None:
    for good in ("control.example", "*.example", "10.0.0.1", "::1", "headend_1"):
        environ = {"DERHEAD_HTTP_ALLOWED_HOSTS": good}
        assert load_config(Namespace(assets="a"), environ).http_allowed_hosts == (good,)
    both = {"DERHEAD_HTTP_ALLOWED_HOSTS": "a.example, b.example"}
    assert load_config(Namespace(assets="a"), both).http_allowed_hosts == ("a.example", "b.example")
    for bad in ("https://a.example", "a.example:8080", "[::1]:80", "*", "a.*.example", "a..b", "ä"):
        (problem,) = problems_of(Namespace(assets="a"), {"DERHEAD_HTTP_ALLOWED_HOSTS": bad})
        assert problem.startswith(f"DERHEAD_HTTP_ALLOWED_HOSTS: '{bad}' is not a host; write a")


ISSUER = {"DERHEAD_OIDC_ISSUER": "https://login.example", "DERHEAD_OIDC_AUDIENCE": "derhead"}
KEYS = {"DERHEAD_OIDC_JWKS_URL": "https://login.example/keys"}


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"DERHEAD_AGENT_TOKENS": "true"}, "DERHEAD_AGENT_TOKENS: true, yet there is no file of"),
        (ISSUER, "DERHEAD_OIDC_ISSUER: it needs one of oidc.jwks_file and oidc.jwks_url"),
        ({**KEYS, "DERHEAD_OIDC_ISSUER": "x"}, "DERHEAD_OIDC_ISSUER: it needs oidc.audience"),
        (
            {**ISSUER, "DERHEAD_OIDC_JWKS_URL": "http://login.example/keys"},
            "DERHEAD_OIDC_JWKS_URL: 'http://login.example/keys' is not a URL of keys",
        ),
        (
            {**ISSUER, "DERHEAD_OIDC_JWKS_FILE": "nowhere"},
            "DERHEAD_OIDC_JWKS_FILE: there is no file nowhere",
        ),
    ],
)
def test_who_may_come_in_is_configured_whole_or_not_at_all(
    environ: dict[str, str], problem: str
) -> None:
    assert problems_of(Namespace(assets="a.yaml"), environ)[0].startswith(problem)


def test_rest_asks_who_calls_once_tokens_or_an_issuer_are_configured() -> None:
    flags = Namespace(assets="a.yaml")
    assert not load_config(flags, NO_ENV).authenticates
    assert load_config(flags, {"DERHEAD_TOKENS": "tokens.yaml"}).authenticates
    for url in (KEYS["DERHEAD_OIDC_JWKS_URL"], "http://127.0.0.1:8000/keys"):
        assert load_config(flags, {**ISSUER, "DERHEAD_OIDC_JWKS_URL": url}).authenticates
