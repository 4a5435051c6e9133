"""The headend's settings, and what follows from them: pure."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from derhead.config.exposure import ANY_PAGE, Exposure, Listening, find_exposures
from derhead.dsn import Dsn, read_dsn
from derproto.configuration.kinds import (
    ANY_ORIGIN,
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
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole, tls_pair

HTTP = Address("127.0.0.1", 8080)
GRPC = Address("127.0.0.1", 50051)
_PERIOD = Number(least=0.1, most=3600, unit="seconds")
_DAYS = Number(least=1, most=36_500, unit="days")
_COUNT = Whole(1, 100_000)
_PERCENT = Number(least=1, most=99.9999, unit="percent")
_GB = Number(least=0.01, most=100_000, unit="GB")
_RATE = Number(least=100, most=1_000_000, unit="rows a second")
_REGISTERS = Number(least=0.1, most=100_000, unit="agents a second")
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
    registers_per_s: Annotated[float, _REGISTERS] = 200.0
    """Agents admitted a second; others get a turn."""
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
    objectives_telemetry: Annotated[float, _PERCENT, "objectives.telemetry"] = 99.9
    """Percent of the time for which telemetry is to be fresh."""
    objectives_availability: Annotated[float, _PERCENT, "objectives.availability"] = 99.9
    """Percent of the time for which a connected agent is to hold an asset."""
    objectives_dispatch: Annotated[float, _PERCENT, "objectives.dispatch"] = 99.0
    """Percent of dispatches that are to be in time."""
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
        """What others could use without protection."""
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
        any_page = ANY_ORIGIN in self.cors_origins and not self.authenticates
        return (*find_exposures(rest, agents), *([ANY_PAGE] if any_page else []))

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
