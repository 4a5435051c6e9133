"""``/heartbeat``: the agents' health, now and before."""

from dataclasses import replace
from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import Sender, current_sender
from derhead.api.answering.headend_parts import HasClock, HasFleet, HasHistory, KnowsAgents
from derhead.api.answering.lookups import find_agent, read_query
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.api.answering.replies import reply
from derhead.history import Page, PageRequest
from derhead.sessions import HeartbeatRecord
from derhead.shapes import FIELDS, PAGE, RANGE, HeartbeatJson, columns_of, heartbeat_shape


class HeartbeatParts(HasFleet, KnowsAgents, HasClock, HasHistory, Protocol):
    """The part of the headend that these endpoints use."""

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        """The agent's newest heartbeat."""


def heartbeat_routes(headend: HeartbeatParts, long: LongAnswers) -> Blueprint:
    """Endpoints that show heartbeats, by agent or by asset."""
    routes = Blueprint("heartbeat", __name__)

    @routes.get("/heartbeat/<agent_or_asset>")
    async def show_heartbeat(agent_or_asset: str) -> Response:
        read_query(())
        agent_id = find_agent(headend, agent_or_asset)
        heartbeat = None if agent_id is None else headend.heartbeat(agent_id)
        seen = None if heartbeat is None else _visible(heartbeat, current_sender())
        return reply(heartbeat_shape(agent_id, seen, now_us=headend.wall_us()))

    @routes.get("/heartbeat/<agent_or_asset>/history")
    async def list_heartbeats(agent_or_asset: str) -> Response:
        agent_id = find_agent(headend, agent_or_asset)
        query = read_query((*RANGE, *PAGE, *FIELDS))
        now_us, sender = headend.wall_us(), current_sender()

        async def ask(page: PageRequest) -> Page[HeartbeatRecord]:
            if agent_id is None:
                return Page((), None)
            return await headend.history.heartbeats(agent_id, page)

        listed = PagedHistory(
            ask,
            lambda heartbeat: heartbeat_shape(agent_id, _visible(heartbeat, sender), now_us=now_us),
            [name for name in columns_of(HeartbeatJson) if name != "age_s"],
        )
        return await reply_history(listed, query, long)

    return routes


def _visible(heartbeat: HeartbeatRecord, sender: Sender) -> HeartbeatRecord:
    """The heartbeat without the devices that the sender may not see."""
    if not sender.is_limited:
        return heartbeat
    seen = (device for device in heartbeat.devices if device[0] in sender.fleet.assets)
    return replace(heartbeat, devices=tuple(seen))
