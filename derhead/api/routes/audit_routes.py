"""``/audit``: who did what. Nothing here changes the audit trail."""

from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.headend_parts import HasFleet, HasHistory
from derhead.api.answering.lookups import find_site, read_query
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.audit import AuditRecord
from derhead.history import Page, PageRequest
from derhead.shapes import FIELDS, PAGE, RANGE, AuditJson, audit_shape, columns_of


class AuditParts(HasFleet, HasHistory, Protocol):
    """The part of the headend that this endpoint uses."""


def audit_routes(headend: AuditParts, long: LongAnswers) -> Blueprint:
    """The endpoint that shows the audit trail."""
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    async def list_audit() -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS, "action", "caller", "target", "site_id"))
        site = None if query.site is None else find_site(headend.fleet, query.site)

        async def ask(page: PageRequest) -> Page[AuditRecord]:
            return await headend.history.audit(
                page,
                actions=query.actions,
                caller=query.caller,
                target=query.target,
                site_ids=None if site is None else [site.id],
            )

        return await reply_history(
            PagedHistory(ask, audit_shape, columns_of(AuditJson)), query, long
        )

    return routes
