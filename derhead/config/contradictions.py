"""Settings of the headend that contradict each other, or the files that they name."""

from derhead.access import read_token_file
from derhead.config.headend_config import HeadendConfig
from derproto.configuration.problems import ConfigError
from derproto.configuration.settings import Rank, Settings


def complain_of_settings(config: HeadendConfig, settings: Settings) -> None:
    """Notes every problem of settings that do not fit together."""
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


def complain_of_tokens(config: HeadendConfig, settings: Settings) -> None:
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
