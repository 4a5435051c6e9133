"""The agent's configuration: its settings, its id and the assets that it serves."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from deragent.devices import check_device
from deragent.outbox import OutboxLimits
from derproto.configuration.fleet import Asset, Fleet
from derproto.configuration.kinds import (
    AGENT,
    LOG_FORMATS,
    LOG_LEVELS,
    PATH,
    TEXT,
    Address,
    Texts,
    Truth,
    Whole,
    address,
    choice,
)
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.secret_files import read_sent_token
from derproto.configuration.settings import NO_PATH, Settings, credential, state_directory
from derproto.tls.certificate_settings import complain_of_certificates
from derproto.tls.tls_files import TlsFile, TlsFiles, TlsRole, tls_pair

PREFIX = "DERAGENT"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentConfig:
    """All settings of ``deragent``. ``docs/configuration.md`` describes them.

    Each field has its kind, and its key if that is not the field's name.
    """

    assets: Annotated[Path, PATH]
    """The fleet's file."""
    site: Annotated[str | None, TEXT] = None
    """Id or name of the site whose assets the agent serves; None = ``asset_names``."""
    asset_names: Annotated[tuple[str, ...], Texts(), "asset"] = ()
    """Ids or names of the assets that the agent serves, if ``site`` is None."""
    agent_id: Annotated[str | None, AGENT, "agent.id"] = None
    headend: Annotated[Address, address(least_port=1)]
    data: Annotated[Path | None, PATH] = None
    """The agent's own folder for what must survive a restart; None = ``var/deragent/`` and the
    agent's id."""
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    """Samples that may wait for their acknowledgement; beyond, the oldest are dropped."""
    backfill_rows_s: Annotated[int, Whole(1, 1_000_000), "outbox.backfill_rows_s"] = 5000
    """Greatest rate of backfill, samples/s."""
    tls: Annotated[bool, Truth()] = False
    tls_ca: Annotated[Path | None, PATH] = None
    """PEM file of the authorities for the headend's certificate; None = the system's."""
    tls_cert: Annotated[Path | None, PATH] = None
    """PEM file of the agent's own certificate, with ``tls_key``; None = no certificate."""
    tls_key: Annotated[Path | None, PATH] = None
    token_file: Annotated[Path | None, PATH] = None
    """File of the token that the agent shows the headend, read at each connection; None = the
    credential ``token`` of its unit, or none."""
    log_level: Annotated[str, choice(LOG_LEVELS, "level")] = "info"
    log_format: Annotated[str | None, choice(LOG_FORMATS, "form")] = None
    """None = ``console`` on a terminal, else ``logfmt``."""
    metrics_port: Annotated[int | None, Whole(1, 65_535)] = None
    """Port on loopback for Prometheus; None = none."""
    events: Annotated[bool, Truth()] = False
    """Print a line of JSON on stdout at each change of state."""

    def tls_ends(self, agent_id: str) -> tuple[TlsFiles, ...]:
        """The certificates of the agent with this id; none without TLS."""
        if not self.tls:
            return ()
        cert, key = tls_pair("tls", self.tls_cert, self.tls_key) or (None, None)
        authorities = None if self.tls_ca is None else TlsFile("tls_ca", self.tls_ca)
        return (TlsFiles(TlsRole.AGENT, cert, key, authorities, agent_id),)

    def data_folder(self, agent_id: str) -> Path:
        """The data folder of the agent with this id."""
        return self.data or Path("var/deragent") / agent_id


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """The agent's id, and what it serves."""

    agent_id: str
    site_id: str | None
    """The site of all its assets; None if they belong to several."""
    assets: tuple[Asset, ...]
    """At least one asset, in the order in which the agent claims them."""


def read_config(
    settings: Settings, environ: Mapping[str, str], *, serves: bool = True
) -> AgentConfig:
    """The configuration; valid only if ``settings.finish()`` raises nothing.

    ``serves`` says whether it must name a headend, and the assets that the agent serves.
    """
    found = settings.read_fields(AgentConfig)
    if "site" in found and "asset_names" in found:
        if settings.rank("site") == settings.rank("asset"):
            settings.complain("asset", "site is given too; keep one of site and asset")
        else:
            # The setting from the stronger source replaces the other entirely.
            del found["asset_names" if settings.rank("site") > settings.rank("asset") else "site"]
    limits = OutboxLimits()
    outbox = OutboxLimits(
        memory_rows=settings.read("outbox.memory_rows", Whole(100, 1_000_000), limits.memory_rows),
        file_rows=settings.read("outbox.rows", Whole(1, 100_000_000), limits.file_rows),
        file_mb=settings.read("outbox.mb", Whole(1, 100_000), limits.file_mb),
    )
    default: dict[str, Any] = {
        "assets": NO_PATH,
        "headend": Address("", 0),
        "data": state_directory(environ),
        "token_file": credential(environ, "token"),
        "tls": not found.keys().isdisjoint(("tls_ca", "tls_cert", "tls_key")),
    }
    config = AgentConfig(outbox=outbox, **default | found)
    _check(config, settings)
    if serves:
        settings.require_one("site", "asset")
        settings.require_one("headend")
    return config


def _check(config: AgentConfig, settings: Settings) -> None:
    settings.require_one("assets")
    settings.require_file("token_file", config.token_file)
    if config.token_file is not None and config.token_file.is_file():
        try:
            read_sent_token(config.token_file)
        except OSError as wrong:
            settings.complain("token_file", str(wrong))
    if config.token_file and not config.tls and not config.headend.is_loopback:
        settings.complain(
            "token_file",
            f"the token would go to {config.headend} in cleartext; give tls_ca, or tls: true",
        )
    settings.require_file("tls_ca", config.tls_ca)
    settings.require_file("tls_cert", config.tls_cert, needs="tls_key")
    settings.require_file("tls_key", config.tls_key, needs="tls_cert")
    if not config.tls and (config.tls_ca or config.tls_cert or config.tls_key):
        settings.complain(
            "tls", "false, yet tls_ca, tls_cert or tls_key is given; write true, or remove those"
        )


def choose_assets(config: AgentConfig, fleet: Fleet) -> AgentPlan:
    """The agent's id, and what it serves: pure.

    The id is ``agent_id``, else the site's id, else the id of the only asset. Assets that the
    fleet's file reserves for another agent are left out of a site.

    Raises: ConfigError, with problems under the keys ``site``, ``asset`` and ``agent.id``.
    """
    if config.site is not None:
        return _plan_site(config, fleet, config.site)
    return _plan_assets(config, fleet)


def _plan_site(config: AgentConfig, fleet: Fleet, id_or_name: str) -> AgentPlan:
    site = fleet.find_site(id_or_name)
    if site is None:
        advice = nearest(id_or_name, [s.name for s in fleet.sites.values()])
        raise _refused("site", f"there is no site {id_or_name!r} in {config.assets}; {advice}")
    agent_id = config.agent_id or site.id
    assets = fleet.assets_of(site.id)
    allowed = tuple(asset for asset in assets if fleet.agent_allowed(asset, agent_id))
    if not assets:
        text = f"site {site.name} has no assets in {config.assets}; add one, or name another site"
        raise _refused("site", text)
    if not allowed:
        owner = _owner(fleet, assets[0])
        raise _refused("site", _kept(config, f"site {site.name}", owner, agent_id))
    return AgentPlan(agent_id, site.id, allowed)


def _plan_assets(config: AgentConfig, fleet: Fleet) -> AgentPlan:
    assets: dict[str, Asset] = {}
    wrong: list[Problem] = []
    for name in config.asset_names:
        asset = fleet.find_asset(name)
        if asset is None:
            advice = nearest(name, [a.name for a in fleet.assets.values()])
            text = f"there is no asset {name!r} in {config.assets}; {advice}"
            wrong.append(_problem("asset", text))
        else:
            assets[asset.id] = asset
    agent_id = config.agent_id
    if agent_id is None and len(assets) + len(wrong) == 1:
        agent_id = next(iter(assets), None)
    elif agent_id is None:
        text = "missing; several assets need a name for their agent; give --agent-id ID"
        wrong.append(_problem("agent.id", text))
    for asset in assets.values():
        if agent_id is not None and not fleet.agent_allowed(asset, agent_id):
            text = _kept(config, f"asset {asset.name}", _owner(fleet, asset), agent_id)
            wrong.append(_problem("asset", text))
    if wrong or agent_id is None:
        raise ConfigError(wrong)
    site_ids = {asset.site_id for asset in assets.values()}
    site_id = site_ids.pop() if len(site_ids) == 1 else None
    return AgentPlan(agent_id, site_id, tuple(assets.values()))


def _owner(fleet: Fleet, asset: Asset) -> str | None:
    return asset.agent or fleet.sites[asset.site_id].agent


def _kept(config: AgentConfig, what: str, owner: str | None, agent_id: str) -> str:
    return (
        f"{config.assets} keeps {what} for agent {owner}, and this agent is {agent_id}; "
        f"give --agent-id {owner}, or change agent in that file"
    )


def _problem(key: str, text: str) -> Problem:
    return Problem(None, None, key, text)


def _refused(key: str, text: str) -> ConfigError:
    return ConfigError([_problem(key, text)])


def load(
    flags: Namespace, environ: Mapping[str, str], *, at_us: int | None = None
) -> tuple[AgentConfig, AgentPlan]:
    """The configuration, and the plan that follows from it and the fleet's file.

    Of all devices in the file only those of the plan are checked, by their drivers.
    With ``at_us`` certificates must be such that a headend takes them at that time; without it, it
    is enough that they can be loaded. Raises: ConfigError with all problems of both.
    """
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    fleet = None if config.assets is NO_PATH else settings.read_fleet(config.assets)
    plan: AgentPlan | None = None
    if fleet is not None and (config.site or config.asset_names):
        try:
            plan = choose_assets(config, fleet)
        except ConfigError as wrong:
            # Only the settings know where each value came from.
            for problem in wrong.problems:
                settings.complain(problem.key, problem.text)
    if plan is not None:
        for asset in plan.assets:
            settings.problems += check_device(asset)
        complain_of_certificates(settings, config.tls_ends(plan.agent_id), at_us)
    settings.finish()
    assert plan is not None
    return config, plan


def read_log_level(flags: Namespace, environ: Mapping[str, str]) -> str:
    """The level of log lines as it is configured now. Raises: ConfigError with every problem."""
    settings = Settings(PREFIX, vars(flags), environ)
    config = read_config(settings, environ)
    settings.finish()
    return config.log_level
