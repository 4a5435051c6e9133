"""``/heartbeat``: how agents are, now and before."""

from quart import Blueprint, Response

from derhead.api.answers import HeartbeatJson
from derhead.api.lookups import find_agent, read_query
from derhead.api.params import FIELDS, PAGE, RANGE
from derhead.api.past import LongAnswers, Past, reply_past
from derhead.api.replies import reply
from derhead.api.shapes import heartbeat_shape
from derhead.api.tables import columns_of
from derhead.api.view import HeadendView
from derhead.history import Page, PageRequest
from derhead.sessions import HeartbeatRecord


def heartbeat_routes(view: HeadendView, long: LongAnswers) -> Blueprint:
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
        query = read_query((*RANGE, *PAGE, *FIELDS))
        now_us = view.wall_us()

        async def ask(page: PageRequest) -> Page[HeartbeatRecord]:
            if agent_id is None:
                return Page((), None)
            return await view.history.heartbeats(agent_id, page)

        past = Past(
            ask,
            lambda heartbeat: heartbeat_shape(agent_id, heartbeat, now_us=now_us),
            [name for name in columns_of(HeartbeatJson) if name != "age_s"],
        )
        return await reply_past(past, query, long)

    return routes
