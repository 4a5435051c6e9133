"""``/audit``: who did what. Nothing here changes the audit trail."""

from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import current_fleet, current_sender
from derhead.api.answering.headend_parts import HasHistory
from derhead.api.answering.lookups import find_site, read_query
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.audit import AuditRecord
from derhead.history import Page, PageRequest
from derhead.shapes import FIELDS, PAGE, RANGE, AuditJson, audit_shape, columns_of


class AuditParts(HasHistory, Protocol):
    """The part of the headend that this endpoint uses."""


def audit_routes(headend: AuditParts, long: LongAnswers) -> Blueprint:
    """The endpoint that shows the audit trail."""
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    async def list_audit() -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS, "action", "caller", "target", "site_id"))
        among: list[str] | None = None
        if query.site is not None:
            among = [find_site(query.site).id]
        elif current_sender().is_limited:
            among = list(current_fleet().sites)

        async def ask(page: PageRequest) -> Page[AuditRecord]:
            return await headend.history.audit(
                page,
                actions=query.actions,
                caller=query.caller,
                target=query.target,
                site_ids=among,
            )

        return await reply_history(
            PagedHistory(ask, audit_shape, columns_of(AuditJson)), query, long
        )

    return routes
