"""``/heartbeat``: how agents are, now and before."""

from quart import Blueprint, Response

from derhead.api.lookups import find_agent, read_query
from derhead.api.params import PAGE, RANGE
from derhead.api.replies import reply, reply_items
from derhead.api.shapes import heartbeat_shape
from derhead.api.view import HeadendView


def heartbeat_routes(view: HeadendView) -> Blueprint:
    """Endpoints that show heartbeats, found by agent or by asset."""
    routes = Blueprint("heartbeat", __name__)

    @routes.get("/heartbeat/<agent_or_asset>")
    async def show_heartbeat(agent_or_asset: str) -> Response:
        read_query(())
        agent_id = find_agent(view, agent_or_asset)
        heartbeat = None if agent_id is None else view.heartbeat(agent_id)
        return reply(heartbeat_shape(agent_id, heartbeat, now_us=view.wall_us()))

    @routes.get("/heartbeat/<agent_or_asset>/history")
    async def list_heartbeats(agent_or_asset: str) -> Response:
        agent_id = find_agent(view, agent_or_asset)
        query = read_query((*RANGE, *PAGE))
        if agent_id is None:
            return await reply_items(())
        page = await view.history.heartbeats(
            agent_id,
            from_us=query.from_us,
            to_us=query.to_us,
            limit=query.limit,
            cursor=query.cursor,
        )
        now_us = view.wall_us()
        return await reply_items(
            (heartbeat_shape(agent_id, heartbeat, now_us=now_us) for heartbeat in page.items),
            page.next_cursor,
        )

    return routes
