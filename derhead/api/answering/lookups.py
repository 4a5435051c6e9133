"""Lookups that endpoints share: the query, an asset, a site, an agent. A miss ends the request."""

from collections.abc import Collection
from typing import Protocol

from quart import request

from derhead.api.answering.headend_parts import HasFleet, KnowsAgents
from derhead.api.answering.replies import HttpProblem
from derhead.findings import pointer_to
from derhead.shapes import BadQuery, Query, parse_query
from derproto.configuration.fleet import Asset, Fleet, Site


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


def find_asset(fleet: Fleet, id_or_name: str) -> Asset:
    """The asset of that id or name. Raises: HttpProblem (404)."""
    asset = fleet.find_asset(id_or_name)
    if asset is None:
        raise HttpProblem(
            404, f"no asset has the id or name {id_or_name[:80]!r}; GET /assets lists them"
        )
    return asset


def find_site(fleet: Fleet, id_or_name: str) -> Site:
    """The site of that id or name. Raises: HttpProblem (404)."""
    site = fleet.find_site(id_or_name)
    if site is None:
        known = "GET /assets names the site of each"
        raise HttpProblem(404, f"no site has the id or name {id_or_name[:80]!r}; {known}")
    return site


class FindsAgents(HasFleet, KnowsAgents, Protocol):
    """The part of the headend that ``find_agent`` uses."""


def find_agent(headend: FindsAgents, agent_or_asset: str) -> str | None:
    """The agent of that id; or, for an asset, the agent that holds it or held it last.

    None if no agent ever held the asset. Raises: HttpProblem (404) if nothing has that name.
    """
    # The asset first: an agent for one asset has that asset's id, and may have lost the asset.
    asset = headend.fleet.find_asset(agent_or_asset)
    if asset is None and headend.knows_agent(agent_or_asset):
        return agent_or_asset
    if asset is None:
        known = "GET /agents and GET /assets list what there is"
        raise HttpProblem(404, f"no agent or asset is called {agent_or_asset[:80]!r}; {known}")
    return headend.holder(asset.id) or headend.last_holder(asset.id)
