"""``/slo``: how well the promises to the operator held in the last seven days."""

from collections.abc import Iterable
from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import current_fleet
from derhead.api.answering.current_lists import reply_now
from derhead.api.answering.headend_parts import HasClock, HasFleet, KnowsAgents
from derhead.api.answering.lookups import find_asset, find_site, read_query
from derhead.service_levels import (
    GapSums,
    LevelGroup,
    LevelScope,
    LevelSums,
    Objectives,
    worst_first,
)
from derhead.shapes import FIELDS, LevelJson, Query, columns_of, level_shape
from derproto.base.turns import look_in_turns
from derproto.configuration.fleet import Asset, Site


class CountsLevels(Protocol):
    """The keeper of service levels."""

    def sums(self, asset_id: str) -> LevelSums:
        """The asset's sums up to now."""

    def gaps(self, asset_id: str) -> GapSums:
        """The asset's gaps."""


class LevelParts(HasFleet, KnowsAgents, HasClock, Protocol):
    """The part of the headend that this endpoint uses."""

    @property
    def levels(self) -> CountsLevels: ...

    @property
    def objectives(self) -> Objectives: ...


def level_routes(headend: LevelParts) -> Blueprint:
    """The endpoint that shows service levels."""
    routes = Blueprint("levels", __name__)

    @routes.get("/slo")
    async def list_levels() -> Response:
        query = read_query((*FIELDS, "by", "site_id", "asset_id", "limit"))
        assets = tuple(_wanted(query))
        groups = _Groups(headend, query.by or LevelScope.FLEET)
        await look_in_turns(assets, groups.add)
        worst = worst_first(groups.found.values(), headend.objectives)
        now_us = headend.wall_us()
        shapes = (
            level_shape(group, headend.objectives, now_us=now_us) for group in worst[: query.limit]
        )
        return await reply_now(shapes, columns_of(LevelJson), query.fields)

    return routes


def _wanted(query: Query) -> Iterable[Asset]:
    """The assets that are asked for, of those that the sender may see."""
    fleet = current_fleet()
    asset = None if query.asset is None else find_asset(query.asset)
    site = None if query.site is None else find_site(query.site)
    if asset is not None:
        return [asset] if site is None or asset.site_id == site.id else []
    return fleet.assets.values() if site is None else fleet.assets_of(site.id)


class _Groups:
    """Assets, sorted into groups."""

    def __init__(self, headend: LevelParts, scope: LevelScope) -> None:
        self._headend = headend
        self._scope = scope
        self._sites: dict[str, Site] = dict(current_fleet().sites)
        self.found: dict[str | None, LevelGroup] = {}
        if scope is LevelScope.FLEET:
            # There is a fleet even without assets.
            self.found[None] = LevelGroup(scope)

    def add(self, asset: Asset) -> None:
        """Adds the asset to its group; one that no agent ever held is in no agent's."""
        headend, agent_id = self._headend, self._headend.last_holder(asset.id)
        match self._scope:
            case LevelScope.FLEET:
                key, name = None, None
            case LevelScope.SITE:
                key, name = asset.site_id, self._sites[asset.site_id].name
            case LevelScope.AGENT:
                key, name = agent_id, None
            case LevelScope.ASSET:
                key, name = asset.id, asset.name
        if key is None and self._scope is LevelScope.AGENT:
            return
        group = self.found.get(key)
        if group is None:
            group = self.found[key] = LevelGroup(self._scope, key, name)
        levels = headend.levels
        group.add(asset.id, agent_id, levels.sums(asset.id), levels.gaps(asset.id))
