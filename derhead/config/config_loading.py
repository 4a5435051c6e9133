"""Reads the headend's configuration: flags, environment and files."""

import sys
from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from derhead.access import read_token_file
from derhead.config.contradictions import complain_of_settings, complain_of_tokens
from derhead.config.headend_config import HeadendConfig
from derproto.configuration.fleet import Fleet
from derproto.configuration.problems import Problem, nearest
from derproto.configuration.settings import NO_PATH, Settings, credential, state_directory
from derproto.tls.certificate_settings import complain_of_certificates

PREFIX = "DERHEAD"


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
    complain_of_settings(config, settings)
    return config


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
    complain_of_tokens(config, settings)
    if not config.insecure:
        for each in config.exposures():
            settings.complain(
                each.setting, f"{each.fact}; {each.remedy}. With --insecure it starts all the same"
            )
    settings.finish()
    assert fleet is not None
    return config, fleet


def warn_of_tokens(config: HeadendConfig, fleet: Fleet, now_us: int) -> None:
    """Warns on stderr of good tokens that are limited to a site that the fleet does not have."""
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


def load_settings(flags: Namespace, environ: Mapping[str, str]) -> HeadendConfig:
    """The config alone, for what needs no fleet. Raises: ConfigError with every problem."""
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config
