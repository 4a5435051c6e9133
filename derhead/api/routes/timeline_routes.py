"""``/agents/{id}/timeline``: what happened to an agent, in one list.

The cursor is the place of the last entry, so pages neither skip nor repeat entries while new ones
are added.
"""

from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import current_sender
from derhead.api.answering.headend_parts import HasHistory, KnowsAgents
from derhead.api.answering.lookups import read_query, sees_agent
from derhead.api.answering.replies import HttpProblem, reply_items
from derhead.api.routes.timeline_merge import entries_of
from derhead.history import decode_cursor, encode_cursor
from derhead.shapes import DEFAULT_LIMIT, PAGE, RANGE, entry_shape

MAX_ENTRIES = 1000
"""Entries of one page of a timeline. When full, the cursor leads on."""


class TimelineParts(KnowsAgents, HasHistory, Protocol):
    """The part of the headend that the endpoint uses."""


def timeline_routes(headend: TimelineParts) -> Blueprint:
    """The endpoint that shows an agent's timeline."""
    routes = Blueprint("timeline", __name__)

    @routes.get("/agents/<agent_id>/timeline")
    async def show_timeline(agent_id: str) -> Response:
        query = read_query((*RANGE, *PAGE))
        if not sees_agent(headend, agent_id):
            raise HttpProblem(404, f"no agent {agent_id[:80]!r} ever connected")
        limit = min(query.limit or DEFAULT_LIMIT, MAX_ENTRIES)
        scope = ("timeline", agent_id)
        before = (
            None if query.cursor is None else decode_cursor(query.cursor, scope, (int, int, str))
        )
        sender = current_sender()
        sees = sender.fleet.assets if sender.is_limited else None
        found = await entries_of(headend.history, agent_id, sees, query, before, limit + 1)
        more = encode_cursor(scope, found[limit - 1].place) if len(found) > limit else None
        return await reply_items(map(entry_shape, found[:limit]), more)

    return routes
