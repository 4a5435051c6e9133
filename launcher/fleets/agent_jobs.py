"""Which agent runs which assets: pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from derproto.configuration.fleet import Asset, Fleet


@dataclass(frozen=True, slots=True)
class AgentJob:
    """One agent to run."""

    agent_id: str
    name: str
    """The agent's name in output lines: its only asset's name, else the agent's id."""
    site_id: str | None
    """The site of all its assets; None if there are several."""
    asset_ids: tuple[str, ...]
    """At least one asset, in the file's order."""


def plan_agents(fleet: Fleet) -> tuple[AgentJob, ...]:
    """The agents of a fleet, in the file's order; each asset has exactly one.

    Assets for which the file names the same ``agent``, at the asset or at its site, share that
    agent. Any other asset has an agent of its own, whose id is the asset's.
    """
    held: dict[str, list[Asset]] = {}
    for asset in fleet.assets.values():
        named = asset.agent or fleet.sites[asset.site_id].agent
        held.setdefault(named or asset.id, []).append(asset)
    return tuple(_jobs(held))


def _jobs(held: dict[str, list[Asset]]) -> Iterator[AgentJob]:
    for agent_id, assets in held.items():
        sites = {asset.site_id for asset in assets}
        yield AgentJob(
            agent_id=agent_id,
            name=assets[0].name if len(assets) == 1 else agent_id,
            site_id=assets[0].site_id if len(sites) == 1 else None,
            asset_ids=tuple(asset.id for asset in assets),
        )
