"""``/assets``, ``/sites`` and ``/agents``: the fleet, and the agents that are connected."""

from collections.abc import Container, Iterable
from dataclasses import replace
from functools import partial
from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import current_fleet
from derhead.api.answering.current_lists import reply_now
from derhead.api.answering.headend_parts import HasFleet, HasHistory, KnowsAgents
from derhead.api.answering.lookups import find_site, read_query, sees_agent, visible_agents
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.api.answering.replies import HttpProblem, reply
from derhead.dispatch import SiteNow
from derhead.shapes import (
    FIELDS,
    PAGE,
    RANGE,
    AgentJson,
    AssetJson,
    ConnectedAgent,
    SessionJson,
    SiteJson,
    agent_shape,
    asset_shape,
    columns_of,
    session_shape,
    site_shape,
)


class FleetParts(HasFleet, KnowsAgents, HasHistory, Protocol):
    """The part of the headend that these endpoints use."""

    def agents(self) -> Iterable[ConnectedAgent]:
        """The agents connected now."""

    async def site_now(self, site_id: str) -> SiteNow:
        """The present power of a site's assets, and how far it could go up and down."""


def fleet_routes(headend: FleetParts, long: LongAnswers) -> Blueprint:
    """Endpoints that show the fleet and its agents."""
    routes = Blueprint("fleet", __name__)

    @routes.get("/assets")
    async def list_assets() -> Response:
        query = read_query(FIELDS)
        sites, assets = current_fleet().sites, current_fleet().assets
        shapes = (
            asset_shape(
                asset,
                sites[asset.site_id],
                agent_id=headend.last_holder(asset.id),
                online=headend.holder(asset.id) is not None,
            )
            for asset in assets.values()
        )
        return await reply_now(shapes, columns_of(AssetJson), query.fields)

    @routes.get("/sites")
    async def list_sites() -> Response:
        query = read_query(FIELDS)
        shapes = [
            site_shape(site, await headend.site_now(site.id))
            for site in current_fleet().sites.values()
        ]
        return await reply_now(shapes, columns_of(SiteJson), query.fields)

    @routes.get("/sites/<site>")
    async def show_site(site: str) -> Response:
        read_query(())
        found = find_site(site)
        return reply(site_shape(found, await headend.site_now(found.id)))

    @routes.get("/agents")
    async def list_agents() -> Response:
        query = read_query(FIELDS)
        visible, assets = visible_agents(headend), current_fleet().assets
        shapes = (
            agent_shape(agent if visible is None else _visible(agent, assets))
            for agent in headend.agents()
            if visible is None or agent.id in visible
        )
        return await reply_now(shapes, columns_of(AgentJson), query.fields)

    @routes.get("/agents/<agent_id>/sessions")
    async def list_sessions(agent_id: str) -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS))
        if not sees_agent(headend, agent_id):
            raise HttpProblem(404, f"no agent {agent_id[:80]!r} ever connected")
        ask = partial(headend.history.sessions, agent_id)
        return await reply_history(
            PagedHistory(ask, session_shape, columns_of(SessionJson)), query, long
        )

    return routes


def _visible(agent: ConnectedAgent, assets: Container[str]) -> ConnectedAgent:
    """The agent without the assets that the sender may not see."""
    return replace(agent, asset_ids=tuple(each for each in agent.asset_ids if each in assets))
