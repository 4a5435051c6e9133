"""The headend's configuration."""

import re
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from derhead.access import read_token_file
from derhead.dsn import Dsn, read_dsn
from derhead.exposure import Exposure, Listening, find_exposures
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import (
    LOG_FORMATS,
    LOG_LEVELS,
    PATH,
    TEXT,
    Address,
    FromText,
    Hosts,
    Number,
    Origins,
    Truth,
    Whole,
    address,
    choice,
)
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.settings import NO_PATH, Rank, Settings, credential, state_directory
from derproto.tls.certificate_settings import complain_of_certificates
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole, tls_pair

PREFIX = "DERHEAD"
HTTP = Address("127.0.0.1", 8080)
GRPC = Address("127.0.0.1", 50051)
_PERIOD = Number(least=0.1, most=3600, unit="seconds")
_DAYS = Number(least=1, most=36_500, unit="days")
_COUNT = Whole(1, 100_000)
_GB = Number(least=0.01, most=100_000, unit="GB")
_RATE = Number(least=100, most=1_000_000, unit="rows a second")
_WAIT = Number(least=0, most=3600, unit="seconds")
_TAKEOVER = Number(least=5, most=86_400, unit="seconds")
KEYS_EXAMPLE = "https://login.example/keys"
_KEYS_AT = re.compile(r"(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])[\x21-\x7e]+")


def _keys_url(text: str) -> str:
    if not _KEYS_AT.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a URL of keys; write one such as {KEYS_EXAMPLE}")
    return text


_KEYS_URL = FromText(_keys_url, f"a URL such as {KEYS_EXAMPLE}")
_DSN = FromText(read_dsn, "a DSN such as postgresql://derhead@db.example/derhead")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadendConfig:
    """All settings of ``derhead``; ``docs/configuration.md`` describes them for users.

    Each field has its kind, and its key if that is not the field's name.
    """

    assets: Annotated[Path, PATH]
    """The fleet's file."""
    http: Annotated[Address, address()] = HTTP
    """Address of REST; port 0 = any free port, as for ``grpc``."""
    grpc: Annotated[Address, address()] = GRPC
    """Address for agents."""
    data: Annotated[Path, PATH] = Path("var/derhead")
    """Folder of the journal."""
    telemetry_period_s: Annotated[float, _PERIOD] = 4.0
    """Agents get this period in Welcome, like ``heartbeat_period_s``."""
    heartbeat_period_s: Annotated[float, _PERIOD] = 30.0
    alive_period_s: Annotated[float, _PERIOD] = 10.0
    """Seconds between two Alives to each agent."""
    agent_silence_s: Annotated[float, _PERIOD] = 45.0
    """Seconds of silence after which a session is ended."""
    register_timeout_s: Annotated[float, _PERIOD] = 10.0
    """Seconds from a stream's start to its Register."""
    drain_s: Annotated[float, Number(least=0, most=60, unit="seconds")] = 5.0
    """Seconds for sessions to end at shutdown."""
    max_sessions: Annotated[int, _COUNT] = 5000
    max_http_connections: Annotated[int, _COUNT] = 2000
    cors_origins: Annotated[tuple[str, ...], Origins()] = ()
    """Origins whose pages may use REST from a browser; ``*`` = any."""
    http_allowed_hosts: Annotated[tuple[str, ...], Hosts()] = ()
    """Further names and addresses under which REST answers, those of a proxy for instance."""
    retention_days: Annotated[float | None, _DAYS, "retention.days"] = None
    """Days for which the journal keeps ended records; None = 30, or 7 beside a PostgreSQL."""
    retention_max_gb: Annotated[float, _GB, "retention.max_gb"] = 10.0
    """Size of the journal's file in units of 10^9 bytes (configurable). When full, the oldest
    samples and heartbeats are deleted before their time; with none left to delete, telemetry
    waits as on a full disk, and dispatches are still stored."""
    postgres_dsn: Annotated[Dsn | None, _DSN, "postgres.dsn"] = None
    """The database that the journal feeds; None = no database."""
    postgres_password_file: Annotated[Path | None, PATH, "postgres.password_file"] = None
    """The file with the password of the DSN's role, read at each connection."""
    postgres_days: Annotated[int, Whole(1, 4_000), "postgres.days"] = 400
    """Days for which PostgreSQL keeps its rows."""
    postgres_catch_up_rows_s: Annotated[float, _RATE, "postgres.catch_up_rows_s"] = 20_000.0
    """Rows a second at which a backlog is fed."""
    postgres_start_wait_s: Annotated[float, _WAIT, "postgres.start_wait_s"] = 30.0
    """Seconds for which a headend without a journal waits for PostgreSQL at its start."""
    postgres_takeover_s: Annotated[float, _TAKEOVER, "postgres.takeover_s"] = 60.0
    """Seconds for which a claim must be free before it is taken from a headend that did not give
    it back."""
    standby: Annotated[bool, Truth()] = False
    """The headend waits while another one holds its database."""
    insecure: Annotated[bool, Truth()] = False
    """The headend starts also where other machines could use it without protection."""
    tokens: Annotated[Path | None, PATH] = None
    """The file of the tokens that REST asks for; None = it asks nobody."""
    oidc_issuer: Annotated[str | None, TEXT, "oidc.issuer"] = None
    """The issuer whose JWTs REST takes, as their claim ``iss`` names it; None = none."""
    oidc_audience: Annotated[str | None, TEXT, "oidc.audience"] = None
    """What their claim ``aud`` must name."""
    oidc_jwks_file: Annotated[Path | None, PATH, "oidc.jwks_file"] = None
    """The issuer's public keys; or ``oidc_jwks_url``."""
    oidc_jwks_url: Annotated[str | None, _KEYS_URL, "oidc.jwks_url"] = None
    oidc_ca: Annotated[Path | None, PATH, "oidc.ca"] = None
    """PEM of the authorities for the URL's certificate; None = the system's."""
    oidc_name_claim: Annotated[str, TEXT, "oidc.name_claim"] = "sub"
    oidc_role_claim: Annotated[str, TEXT, "oidc.role_claim"] = "role"
    oidc_sites_claim: Annotated[str | None, TEXT, "oidc.sites_claim"] = None
    """The claim with the sites that a JWT is limited to; None = all sites."""
    agent_tokens: Annotated[bool, Truth()] = False
    """An agent without a certificate needs a token of the role agent."""
    tls_cert: Annotated[Path | None, PATH] = None
    """PEM certificate of the headend, with ``tls_key``; None = cleartext."""
    tls_key: Annotated[Path | None, PATH] = None
    tls_client_ca: Annotated[Path | None, PATH] = None
    """PEM of the authorities for agents' certificates; None = none is asked for. With
    ``agent_tokens`` an agent may show a token instead."""
    http_tls: Annotated[bool, Truth()] = False
    """REST speaks TLS."""
    http_tls_cert: Annotated[Path | None, PATH] = None
    """PEM certificate of REST alone, with ``http_tls_key``; None = ``tls_cert``."""
    http_tls_key: Annotated[Path | None, PATH] = None
    log_level: Annotated[str, choice(LOG_LEVELS, "level")] = "info"
    log_format: Annotated[str | None, choice(LOG_FORMATS, "form")] = None
    """None = ``console`` on a terminal, else ``logfmt``."""

    @property
    def authenticates(self) -> bool:
        """Whether REST asks callers who they are, instead of serving anybody."""
        return self.tokens is not None or self.oidc_issuer is not None

    def exposures(self) -> tuple[Exposure, ...]:
        """What other machines could use without protection."""
        rest = Listening(
            setting="http",
            serves="REST",
            address=self.http,
            over_tls=self.http_tls,
            knows_callers=self.authenticates,
            credentials="tokens",
            key="tokens",
        )
        agents = Listening(
            setting="grpc",
            serves="gRPC",
            address=self.grpc,
            over_tls=self.tls_cert is not None,
            knows_callers=self.tls_client_ca is not None or self.agent_tokens,
            credentials="agents' certificates",
            key="tls_client_ca",
        )
        return tuple(find_exposures(rest, agents))

    def tls_ends(self) -> tuple[TlsFiles, ...]:
        """The certificates of each listener that speaks TLS."""
        ends = []
        shared = tls_pair("tls", self.tls_cert, self.tls_key)
        own = tls_pair("http_tls", self.http_tls_cert, self.http_tls_key)
        if shared is not None:
            ca = self.tls_client_ca
            authorities = None if ca is None else TlsFile("tls_client_ca", ca)
            optional = self.agent_tokens
            ends.append(
                TlsFiles(TlsRole.GRPC_SERVER, *shared, authorities, certificate_optional=optional)
            )
        rest = own or shared
        if self.http_tls and rest is not None:
            ends.append(TlsFiles(TlsRole.HTTP_SERVER, *rest))
        return tuple(ends)


def read_config(settings: Settings, environ: Mapping[str, str]) -> HeadendConfig:
    """The config; valid only if ``settings.finish()`` finds no problem."""
    default: dict[str, Any] = {
        "assets": NO_PATH,
        "data": state_directory(environ) or Path("var/derhead"),
    }
    found = settings.read_fields(HeadendConfig)
    default["http_tls"] = not found.keys().isdisjoint(("tls_cert", "http_tls_cert"))
    if "postgres_dsn" in found:
        default["postgres_password_file"] = credential(environ, "postgres-password")
    config = HeadendConfig(**default | found)
    _check(config, settings)
    return config


def _check(config: HeadendConfig, settings: Settings) -> None:
    if config.agent_silence_s <= config.heartbeat_period_s:
        given = settings.rank("agent_silence_s") is not Rank.DEFAULT
        settings.complain(
            "agent_silence_s" if given else "heartbeat_period_s",
            f"agents may be silent for {config.agent_silence_s:g} s (agent_silence_s), which must "
            f"be longer than their heartbeat_period_s of {config.heartbeat_period_s:g} s; "
            "change one of them",
        )
    dsn = config.postgres_dsn
    if dsn is not None and dsn.password and settings.rank("postgres.dsn") is Rank.FILE:
        settings.complain(
            "postgres.dsn",
            "the DSN holds a password, which does not belong in this file; write it into a file of "
            "its own and name that as postgres.password_file, or set PGPASSWORD",
        )
    settings.require_file(
        "postgres.password_file", config.postgres_password_file, needs="postgres.dsn"
    )
    if config.standby and dsn is None:
        settings.complain(
            "standby", "a stand-by waits for a database, and there is none; give postgres.dsn"
        )
    _check_issuer(config, settings)
    if config.agent_tokens and config.tokens is None:
        settings.complain("agent_tokens", "true, yet there is no file of tokens; give tokens")
    settings.require_file("tls_cert", config.tls_cert, needs="tls_key")
    settings.require_file("tls_key", config.tls_key, needs="tls_cert")
    settings.require_file("tls_client_ca", config.tls_client_ca, needs="tls_cert")
    settings.require_file("http_tls_cert", config.http_tls_cert, needs="http_tls_key")
    settings.require_file("http_tls_key", config.http_tls_key, needs="http_tls_cert")
    if config.http_tls and config.tls_cert is None and config.http_tls_cert is None:
        settings.complain(
            "http_tls", "true, yet REST has no certificate; give tls_cert, or http_tls_cert"
        )
    if not config.http_tls and config.http_tls_cert is not None:
        settings.complain(
            "http_tls", "false, yet http_tls_cert is given; write true, or remove that"
        )


def _check_issuer(config: HeadendConfig, settings: Settings) -> None:
    settings.require_file("oidc.jwks_file", config.oidc_jwks_file, needs="oidc.issuer")
    settings.require_file("oidc.ca", config.oidc_ca, needs="oidc.jwks_url")
    if config.oidc_issuer is None:
        return
    if config.oidc_audience is None:
        settings.complain("oidc.issuer", "it needs oidc.audience; give both or neither")
    if (config.oidc_jwks_file is None) is (config.oidc_jwks_url is None):
        settings.complain("oidc.issuer", "it needs one of oidc.jwks_file and oidc.jwks_url")


def load(
    flags: Namespace, environ: Mapping[str, str], *, at_us: int | None = None
) -> tuple[HeadendConfig, Fleet]:
    """The config, and the fleet that it names.

    With ``at_us`` certificates must be such that clients take them at that time; without it, it is
    enough that they can be loaded. Raises: ConfigError with every problem of either.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.require_one("assets")
    fleet = None if config.assets is NO_PATH else settings.read_fleet(config.assets)
    complain_of_certificates(settings, config.tls_ends(), at_us)
    _complain_of_tokens(config, settings)
    if not config.insecure:
        for each in config.exposures():
            settings.complain(
                each.setting, f"{each.fact}; {each.remedy}. With --insecure it starts all the same"
            )
    settings.finish()
    assert fleet is not None
    return config, fleet


def _complain_of_tokens(config: HeadendConfig, settings: Settings) -> None:
    """Notes every problem of the tokens' file."""
    if config.tokens is None:
        return
    if not config.tokens.is_file():
        settings.complain(
            "tokens",
            f"there is no file {config.tokens}; correct the path, or make it with"
            f" derhead token add NAME --role admin --tokens {config.tokens}",
        )
        return
    try:
        read_token_file(config.tokens)
    except ConfigError as wrong:
        settings.problems.extend(wrong.problems)


def warn_of_tokens(config: HeadendConfig, fleet: Fleet, now_us: int) -> None:
    """Tells on stderr which good tokens are limited to a site that the fleet does not have."""
    tokens = () if config.tokens is None else read_token_file(config.tokens).all
    for token in tokens:
        for site in token.sites or () if token.refusal(now_us) is None else ():
            if fleet.find_site(site) is None:
                text = f"{token.name} is limited to the site {site}, which {config.assets} lacks"
                print(f"warning: tokens: {text}", file=sys.stderr)


def load_token_path(
    flags: Namespace, environ: Mapping[str, str], sites: Collection[str] = ()
) -> Path:
    """The file of the tokens, which may not be there yet.

    Raises: ConfigError, also if the configured fleet lacks one of the ``sites``.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.require_one("tokens")
    if sites and config.assets is not NO_PATH:
        fleet = settings.read_fleet(config.assets)
        for site in sites:
            if fleet is not None and fleet.find_site(site) is None:
                names = (each.name for each in fleet.sites.values())
                text = f"there is no site {site[:80]!r}; {nearest(site, names)}"
                settings.problems.append(Problem(None, None, "--site", text))
    settings.finish()
    assert config.tokens is not None
    return config.tokens


def load_data_folder(flags: Namespace, environ: Mapping[str, str]) -> Path:
    """The folder of the journal, for commands that need no fleet.

    Raises: ConfigError with every problem.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config.data


def read_log_level(flags: Namespace, environ: Mapping[str, str]) -> str:
    """The level of log lines as it is configured now. Raises: ConfigError with every problem."""
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config.log_level
