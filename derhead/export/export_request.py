"""The request on the command line of an export, and its problems: pure."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from derhead.export.flags import OF_AGENTS, OF_ASSETS
from derhead.shapes import BadQuery, Query, parse_query
from derproto.configuration.fleet import Asset, AssetKind, Fleet, Limits
from derproto.configuration.problems import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The history to write."""

    what: str
    query: Query
    assets: Sequence[Asset] | None
    """Assets of the history; None = all that ever existed, which only dispatches support."""
    agents: Sequence[str] | None
    """Agents of the history; None = all."""


def read_request(flags: Namespace, fleet: Fleet) -> ExportRequest:
    """The request that the flags describe. Raises: ConfigError with all problems."""
    problems: list[Problem] = []

    def complain(key: str, text: str) -> None:
        problems.append(Problem(None, None, key, text))

    given = {"from": flags.from_time, "to": flags.to_time, "step": flags.step}
    texts = {name: [text] for name, text in given.items() if text is not None}
    query = parse_query(texts, ("from", "to", "step"))
    if isinstance(query, BadQuery):
        for name, text in query.problems:
            complain(f"--{name}", text)
    if flags.step is not None and flags.what != "telemetry":
        complain("--step", "only telemetry comes in steps; leave --step out")
    if flags.agent and flags.what not in OF_AGENTS:
        complain("--agent", f"an export of {flags.what} takes assets; write --asset or --site")
    if (flags.asset or flags.site) and flags.what not in OF_ASSETS:
        key = "--asset" if flags.asset else "--site"
        complain(key, f"an export of {flags.what} takes agents; write --agent")
    assets: dict[str, Asset] = {}
    for name in flags.asset or ():
        asset = fleet.find_asset(name) or _gone(name)
        if asset is None:
            complain(
                "--asset", f"no asset is called {name!r}; write a name of the fleet, or a UUID"
            )
        else:
            assets[asset.id] = asset
    for name in flags.site or ():
        site = fleet.find_site(name)
        if site is None:
            complain("--site", f"no site is called {name!r}; write a name of the fleet, or a UUID")
        else:
            assets |= {asset.id: asset for asset in fleet.assets_of(site.id)}
    if problems:
        raise ConfigError(problems)
    assert isinstance(query, Query)
    chosen: Sequence[Asset] | None = list(assets.values())
    if not flags.asset and not flags.site:
        chosen = None if flags.what == "dispatches" else list(fleet.assets.values())
    return ExportRequest(flags.what, query, chosen, tuple(flags.agent) if flags.agent else None)


def _gone(name: str) -> Asset | None:
    """An asset that has left the fleet: its history stays under its id."""
    try:
        gone = str(UUID(name))
    except ValueError:
        return None
    return Asset(gone, "", "", AssetKind.LOAD, 1.0, Limits(0.0, 0.0))
