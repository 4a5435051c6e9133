"""Lookups that endpoints share: the query, the body, an asset, a site, an agent.

A miss ends the request.
"""

from collections.abc import Collection

from quart import request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from derhead.api.answering.callers import current_fleet, current_sender
from derhead.api.answering.headend_parts import KnowsAgents
from derhead.api.answering.replies import HttpProblem
from derhead.dispatch import Dispatch, DispatchGroup, FoundGroup
from derhead.findings import pointer_to
from derhead.history import Histories
from derhead.shapes import BadJson, BadQuery, Query, parse_json, parse_query
from derproto.configuration.fleet import Asset, Site


def read_query(known: Collection[str]) -> Query:
    """The current request's query. Raises: HttpProblem (422) that names every wrong parameter."""
    query = parse_query(request.args.to_dict(flat=False), known)
    if isinstance(query, BadQuery):
        raise refuse_query(query)
    return query


def refuse_query(wrong: BadQuery) -> HttpProblem:
    """The problem that ends a request with a wrong query."""
    errors = [("/query" + pointer_to(name), detail) for name, detail in wrong.problems]
    return HttpProblem(422, "the query cannot be used", errors, more=wrong.more)


async def read_json() -> object:
    """The current request's body, which is JSON.

    Raises: HttpProblem: 400 if it is not, 408 if it is too slow, 413 if it is too long.
    """
    try:
        sent = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    except RequestEntityTooLarge:
        detail = f"the body is too long; send at most {request.max_content_length} bytes"
        raise HttpProblem(413, detail) from None
    except RequestTimeout:
        raise HttpProblem(408, f"the body took longer than {request.body_timeout:g} s") from None
    body = parse_json(sent)
    if isinstance(body, BadJson):
        raise HttpProblem(400, body.detail)
    return body


def find_asset(id_or_name: str) -> Asset:
    """The asset of that id or name, if the sender may see it. Raises: HttpProblem (404)."""
    asset = current_fleet().find_asset(id_or_name)
    if asset is None:
        raise HttpProblem(
            404, f"no asset has the id or name {id_or_name[:80]!r}; GET /assets lists them"
        )
    return asset


def find_site(id_or_name: str) -> Site:
    """The site of that id or name, if the sender may see it. Raises: HttpProblem (404)."""
    site = current_fleet().find_site(id_or_name)
    if site is None:
        known = "GET /assets names the site of each"
        raise HttpProblem(404, f"no site has the id or name {id_or_name[:80]!r}; {known}")
    return site


def visible_agents(headend: KnowsAgents) -> frozenset[str] | None:
    """The agents that the sender may see: those of its assets; None = all."""
    if not current_sender().is_limited:
        return None
    holders = map(headend.last_holder, current_fleet().assets)
    return frozenset(agent_id for agent_id in holders if agent_id is not None)


def sees_agent(headend: KnowsAgents, agent_id: str) -> bool:
    """Whether the agent ever had a session, and the sender may see it."""
    visible = visible_agents(headend)
    return headend.knows_agent(agent_id) and (visible is None or agent_id in visible)


def find_agent(headend: KnowsAgents, agent_or_asset: str) -> str | None:
    """The agent of that id; or, for an asset, the agent that holds it or held it last.

    None if no agent ever held the asset. Raises: HttpProblem (404) if nothing has that name.
    """
    # The asset first: an agent for one asset has that asset's id, and may have lost the asset.
    asset = current_fleet().find_asset(agent_or_asset)
    if asset is None and sees_agent(headend, agent_or_asset):
        return agent_or_asset
    if asset is None:
        known = "GET /agents and GET /assets list what there is"
        raise HttpProblem(404, f"no agent or asset is called {agent_or_asset[:80]!r}; {known}")
    return headend.holder(asset.id) or headend.last_holder(asset.id)


def unknown_dispatch(dispatch_id: str) -> HttpProblem:
    """The answer about a dispatch that is not there, or that the sender may not see."""
    return HttpProblem(404, f"no dispatch has the id {dispatch_id[:80]!r}")


def require_visible(found: Dispatch | DispatchGroup) -> None:
    """Raises: HttpProblem (404) if the sender may not see a dispatch, or an order to a site."""
    if not current_sender().is_limited:
        return
    fleet = current_fleet()
    visible = (
        found.asset_id in fleet.assets
        if isinstance(found, Dispatch)
        else found.site_id in fleet.sites
    )
    if not visible:
        raise unknown_dispatch(found.id)


async def find_visible(history: Histories, dispatch_id: str) -> Dispatch | FoundGroup:
    """The dispatch, or the order to a site, of that id.

    Raises: HttpProblem (404) if there is none that the sender may see.
    """
    found = await history.dispatch(dispatch_id) or await history.group(dispatch_id)
    if found is None:
        raise unknown_dispatch(dispatch_id)
    require_visible(found if isinstance(found, Dispatch) else found[0])
    return found
