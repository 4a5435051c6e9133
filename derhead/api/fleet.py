"""``/assets`` and ``/agents``: what there is, and who is there."""

from functools import partial

from quart import Blueprint, Response

from derhead.api.answers import AgentJson, AssetJson, SessionJson, SiteJson
from derhead.api.lookups import find_site, read_query
from derhead.api.params import FIELDS, PAGE, RANGE
from derhead.api.past import LongAnswers, Past, reply_past
from derhead.api.present import reply_now
from derhead.api.replies import Refused, reply
from derhead.api.shapes import agent_shape, asset_shape, session_shape, site_shape
from derhead.api.tables import columns_of
from derhead.api.view import HeadendView


def fleet_routes(view: HeadendView, long: LongAnswers) -> Blueprint:
    """Endpoints that show fleet and agents."""
    routes = Blueprint("fleet", __name__)

    @routes.get("/assets")
    async def list_assets() -> Response:
        query = read_query(FIELDS)
        shapes = (
            asset_shape(
                asset,
                view.fleet.sites[asset.site_id],
                agent_id=view.last_holder(asset.id),
                online=view.holder(asset.id) is not None,
            )
            for asset in view.fleet.assets.values()
        )
        return await reply_now(shapes, columns_of(AssetJson), query.fields)

    @routes.get("/sites")
    async def list_sites() -> Response:
        query = read_query(FIELDS)
        shapes = (site_shape(site, view.site_now(site.id)) for site in view.fleet.sites.values())
        return await reply_now(shapes, columns_of(SiteJson), query.fields)

    @routes.get("/sites/<site>")
    async def show_site(site: str) -> Response:
        read_query(())
        found = find_site(view.fleet, site)
        return reply(site_shape(found, view.site_now(found.id)))

    @routes.get("/agents")
    async def list_agents() -> Response:
        query = read_query(FIELDS)
        shapes = map(agent_shape, view.agents())
        return await reply_now(shapes, columns_of(AgentJson), query.fields)

    @routes.get("/agents/<agent_id>/sessions")
    async def list_sessions(agent_id: str) -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS))
        if not view.knows_agent(agent_id):
            raise Refused(404, f"no agent {agent_id[:80]!r} ever connected")
        ask = partial(view.history.sessions, agent_id)
        return await reply_past(Past(ask, session_shape, columns_of(SessionJson)), query, long)

    return routes
