"""The limits of the headend's parts, from its configuration."""

from derhead.config import HeadendConfig
from derhead.history import DAY_US, FED_KEPT_DAYS, GB, KEPT_DAYS, RetentionLimits
from derhead.service_levels import Objectives
from derhead.sessions import Proof, SessionLimits
from derproto.triogrpc import LinkLimits, NewcomerLimits


def best_proof(config: HeadendConfig) -> Proof:
    """The best proof of an agent that the headend can check."""
    if config.tls_client_ca is not None:
        return Proof.CERTIFICATE
    return Proof.NONE if config.tokens is None else Proof.TOKEN


def session_limits(config: HeadendConfig) -> SessionLimits:
    """The limits of sessions, from the configuration."""
    return SessionLimits(
        register_timeout_s=config.register_timeout_s,
        telemetry_period_s=config.telemetry_period_s,
        heartbeat_period_s=config.heartbeat_period_s,
        alive_period_s=config.alive_period_s,
        silence_s=config.agent_silence_s,
        max_sessions=config.max_sessions,
        registers_per_s=config.registers_per_s,
    )


def retention_limits(config: HeadendConfig) -> RetentionLimits:
    """The limits of the journal's retention, from the configuration."""
    days = config.retention_days
    if days is None:
        days = KEPT_DAYS if config.postgres_dsn is None else FED_KEPT_DAYS
    return RetentionLimits(
        keep_us=round(days * DAY_US),
        max_bytes=round(config.retention_max_gb * GB),
        fed=config.postgres_dsn is not None,
    )


def objectives(config: HeadendConfig) -> Objectives:
    """How often the promises are to hold, from the configuration."""
    return Objectives(
        telemetry=_share(config.objectives_telemetry),
        availability=_share(config.objectives_availability),
        dispatch=_share(config.objectives_dispatch),
    )


def _share(percent: float) -> float:
    # 99.9 / 100 is 0.9990000000000001.
    return round(percent / 100, 9)


def link_limits(config: HeadendConfig) -> LinkLimits:
    """The limits of agents' connections, from the configuration."""
    # Besides live sessions there are connections on their way in and out.
    max_connections = config.max_sessions + 1000
    return LinkLimits(
        max_connections=max_connections,
        newcomers=NewcomerLimits(address_share=max_connections // 4),
        # Sessions end silent agents, with a reason. PINGs find silent connections without one.
        keepalive_time_s=config.agent_silence_s,
    )
