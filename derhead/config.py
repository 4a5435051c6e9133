"""The headend's configuration."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from derhead.dsn import Dsn, read_dsn
from derproto.configuration.fleet import Fleet
from derproto.configuration.kinds import (
    LOG_LEVELS,
    PATH,
    Address,
    FromText,
    Number,
    Origins,
    Whole,
    address,
    choice,
)
from derproto.configuration.settings import NO_PATH, Rank, Settings, data_folder

PREFIX = "DERHEAD"
HTTP = Address("127.0.0.1", 8080)
GRPC = Address("127.0.0.1", 50051)
_PERIOD = Number(least=0.1, most=3600, unit="seconds")
_DAYS = Number(least=1, most=36_500, unit="days")
_COUNT = Whole(1, 100_000)
_DSN = FromText(read_dsn, "a DSN such as postgresql://derhead@db.example/derhead")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadendConfig:
    """All settings of ``derhead``; ``docs/configuration.md`` describes them for users."""

    assets: Path
    """The fleet's file."""
    http: Address = HTTP
    """Address of REST; port 0 = any free port, as for ``grpc``."""
    grpc: Address = GRPC
    """Address for agents."""
    data: Path = Path("var/derhead")
    """Folder of the journal."""
    telemetry_period_s: float = 4.0
    """Agents get this period in Welcome, like ``heartbeat_period_s``."""
    heartbeat_period_s: float = 30.0
    alive_period_s: float = 10.0
    """Seconds between two Alives to each agent."""
    agent_silence_s: float = 45.0
    """Seconds of silence after which a session is ended."""
    register_timeout_s: float = 10.0
    """Seconds from a stream's start to its Register."""
    drain_s: float = 5.0
    """Seconds for sessions to end at shutdown."""
    max_sessions: int = 5000
    max_http_connections: int = 2000
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may use REST from a browser; ``*`` = any."""
    retention_days: float | None = None
    """Days for which the journal keeps ended records; None = 30, or 7 beside a PostgreSQL."""
    retention_max_gb: float = 10.0
    """Size of the journal's file in units of 10^9 bytes (configurable). When full, the oldest
    samples and heartbeats are deleted before their time; with none left to delete, telemetry
    waits as on a full disk, and dispatches are still stored."""
    postgres_dsn: Dsn | None = None
    """The database that the journal feeds; None = no database."""
    postgres_password_file: Path | None = None
    """The file with the password of the DSN's role, read at each connection."""
    postgres_days: int = 400
    """Days for which PostgreSQL keeps its rows."""
    postgres_catch_up_rows_s: float = 20_000.0
    """Rows a second at which a backlog is fed."""
    postgres_start_wait_s: float = 30.0
    """Seconds for which a headend without a journal waits for PostgreSQL at its start."""
    tls_cert: Path | None = None
    """PEM certificate of the gRPC listener, with ``tls_key``; None = cleartext."""
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """PEM of the authorities for agents' certificates; None = no certificate is required."""
    log_level: str = "info"


def read_config(settings: Settings, environ: Mapping[str, str]) -> HeadendConfig:
    """The config; valid only if ``settings.finish()`` finds no problem."""
    default = HeadendConfig(assets=NO_PATH)
    config = HeadendConfig(
        assets=settings.read("assets", PATH, default.assets),
        http=settings.read("http", address(), default.http),
        grpc=settings.read("grpc", address(), default.grpc),
        data=data_folder(settings, environ, "derhead"),
        telemetry_period_s=settings.read("telemetry_period_s", _PERIOD, default.telemetry_period_s),
        heartbeat_period_s=settings.read("heartbeat_period_s", _PERIOD, default.heartbeat_period_s),
        alive_period_s=settings.read("alive_period_s", _PERIOD, default.alive_period_s),
        agent_silence_s=settings.read("agent_silence_s", _PERIOD, default.agent_silence_s),
        register_timeout_s=settings.read("register_timeout_s", _PERIOD, default.register_timeout_s),
        drain_s=settings.read("drain_s", Number(least=0, most=60, unit="seconds"), default.drain_s),
        max_sessions=settings.read("max_sessions", _COUNT, default.max_sessions),
        max_http_connections=settings.read(
            "max_http_connections", _COUNT, default.max_http_connections
        ),
        cors_origins=settings.read("cors_origins", Origins(), default.cors_origins),
        retention_days=settings.optional("retention.days", _DAYS),
        retention_max_gb=settings.read(
            "retention.max_gb",
            Number(least=0.01, most=100_000, unit="GB"),
            default.retention_max_gb,
        ),
        postgres_dsn=settings.optional("postgres.dsn", _DSN),
        postgres_password_file=settings.optional("postgres.password_file", PATH),
        postgres_days=settings.read("postgres.days", Whole(1, 4_000), default.postgres_days),
        postgres_catch_up_rows_s=settings.read(
            "postgres.catch_up_rows_s",
            Number(least=100, most=1_000_000, unit="rows a second"),
            default.postgres_catch_up_rows_s,
        ),
        postgres_start_wait_s=settings.read(
            "postgres.start_wait_s",
            Number(least=0, most=3600, unit="seconds"),
            default.postgres_start_wait_s,
        ),
        tls_cert=settings.optional("tls_cert", PATH),
        tls_key=settings.optional("tls_key", PATH),
        tls_client_ca=settings.optional("tls_client_ca", PATH),
        log_level=settings.read("log_level", choice(LOG_LEVELS, "level"), default.log_level),
    )
    _check(config, settings)
    return config


def _check(config: HeadendConfig, settings: Settings) -> None:
    settings.require_one("assets")
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
    settings.require_file("tls_cert", config.tls_cert, needs="tls_key")
    settings.require_file("tls_key", config.tls_key, needs="tls_cert")
    settings.require_file("tls_client_ca", config.tls_client_ca, needs="tls_cert")


def load_config(flags: Namespace, environ: Mapping[str, str]) -> HeadendConfig:
    """The config of flags, environment and ``--config`` file.

    Raises: ConfigError with every problem.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config


def load(flags: Namespace, environ: Mapping[str, str]) -> tuple[HeadendConfig, Fleet]:
    """The config, and the fleet that it names.

    Raises: ConfigError with every problem of either.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    fleet = None if config.assets is NO_PATH else settings.read_fleet(config.assets)
    settings.finish()
    assert fleet is not None
    return config, fleet
